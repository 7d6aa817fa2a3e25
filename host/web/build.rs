//! The pages are within the program: when they are built again, so is it.

fn main() {
    // A path that is not there counts as changed each time; the folder around it changes when it comes.
    let built = std::path::Path::new("ui/dist").exists();
    println!("cargo::rerun-if-changed={}", if built { "ui/dist" } else { "ui" });
}
