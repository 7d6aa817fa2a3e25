//! A bundle: an OCI image layout in one plain tar file, for places without a network. Its index names each library; a
//! signature is an artifact about one of them. Written with the same bytes for the same libraries.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::json;
use tar::{Archive, Builder, EntryType, Header};

use crate::artifact::{SIGNATURES_MAX, component, signature};
use crate::manifest::{
    Descriptor, INDEX, Index, MANIFEST, MANIFEST_BYTES_MAX, Manifest, NAME, SIGNATURE, read, write,
};
use crate::{Artifact, Digest, Error, Held};

const LAYOUT: &str = "oci-layout";
const LAYOUT_VERSION: &str = "1.0.0";
const INDEX_FILE: &str = "index.json";
const BLOBS: &str = "blobs/sha256/";
/// Files of one bundle: a library has three, and three for each signature.
const FILES_MAX: usize = 100_000;

/// Writes libraries by name into one file.
pub fn write_bundle(file: &mut File, libraries: &BTreeMap<String, Artifact>) -> io::Result<()> {
    let (mut blobs, mut listed) = (BTreeMap::new(), vec![]);
    for (name, artifact) in libraries {
        let packed = artifact.pack();
        for (at, (descriptor, _)) in packed.manifests.iter().enumerate() {
            let descriptor = descriptor.clone();
            let descriptor = if at == 0 { descriptor.with(NAME, name) } else { descriptor };
            // Two names may be of one library, whose signatures are the same.
            if !listed.contains(&descriptor) {
                listed.push(descriptor);
            }
        }
        let both = packed.blobs.into_iter().chain(packed.manifests);
        blobs.extend(both.map(|(descriptor, bytes)| (descriptor.digest, bytes)));
    }
    let mut tar = Builder::new(file);
    add(&mut tar, LAYOUT, &write(&json!({ "imageLayoutVersion": LAYOUT_VERSION })))?;
    add(&mut tar, INDEX_FILE, &write(&Index::new(listed)))?;
    for (digest, bytes) in &blobs {
        add(&mut tar, &format!("{BLOBS}{}", digest.hex()), bytes)?;
    }
    tar.finish()
}

/// A file that is nobody's and of no time.
fn add(tar: &mut Builder<impl Write>, path: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, path, bytes)
}

/// A bundle that is read. It holds the file, not what is in it.
#[derive(Debug)]
pub struct Bundle {
    path: PathBuf,
    file: File,
    /// Where each file within begins, and how long it is.
    places: BTreeMap<String, (u64, u64)>,
    listed: Vec<Descriptor>,
}

impl Bundle {
    /// Opens one and reads what it lists.
    pub fn open(path: &Path) -> Result<Bundle, Error> {
        let file = File::open(path).map_err(|source| Error::File {
            doing: "open",
            path: path.to_owned(),
            source,
        })?;
        let places = places(&file).map_err(|error| not_a_bundle(path, &error.to_string()))?;
        let mut bundle = Bundle { path: path.to_owned(), file, places, listed: vec![] };
        let index = bundle.bytes(INDEX_FILE, MANIFEST_BYTES_MAX)?;
        let index: Index = read(&bundle.inside(INDEX_FILE), &index)?;
        if let Some(other) = index.media_type.filter(|media_type| media_type != INDEX) {
            return Err(not_a_bundle(path, &format!("its index is `{}`", other.escape_debug())));
        }
        bundle.listed = index.manifests;
        Ok(bundle)
    }

    /// Its libraries by name, as written there: each is read and verified when it is its turn.
    pub fn libraries(&self) -> Result<BTreeMap<String, Digest>, Error> {
        let mut named = BTreeMap::new();
        for descriptor in self.listed.iter().filter(|one| one.artifact_type.as_deref() != Some(SIGNATURE)) {
            let name = descriptor.annotations.get(NAME);
            let name = name.ok_or_else(|| {
                not_a_bundle(&self.path, &format!("{} in it has no name (`{NAME}`)", descriptor.digest))
            })?;
            if named.insert(name.clone(), descriptor.digest).is_some() {
                let why = format!("it has two libraries `{}`", name.escape_debug());
                return Err(not_a_bundle(&self.path, &why));
            }
        }
        Ok(named)
    }

    /// A library with its signatures, all of it verified.
    pub fn library(&self, digest: &Digest) -> Result<Held, Error> {
        let what = self.inside(&digest.to_string());
        let listed = self.listed.iter().find(|one| one.digest == *digest);
        let listed = listed
            .ok_or_else(|| Error::NotALibrary { what: what.clone(), why: "it is not listed".to_owned() })?;
        let manifest = self.manifest(listed)?;
        let component = self.blob(component(&what, &manifest)?)?;
        Ok(Held { digest: *digest, component, signatures: self.signatures(digest)? })
    }

    fn signatures(&self, subject: &Digest) -> Result<Vec<String>, Error> {
        let mut found = vec![];
        let listed = self.listed.iter().filter(|one| one.artifact_type.as_deref() == Some(SIGNATURE));
        for descriptor in listed {
            let what = self.inside(&descriptor.digest.to_string());
            let manifest = self.manifest(descriptor)?;
            let Some(layer) = signature(&what, &manifest, subject)? else { continue };
            found.push(String::from_utf8_lossy(&self.blob(layer)?).into_owned());
            if found.len() == SIGNATURES_MAX {
                break;
            }
        }
        Ok(found)
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, Error> {
        let what = self.inside(&descriptor.digest.to_string());
        if descriptor.media_type != MANIFEST {
            let why = format!("it is `{}`, not `{MANIFEST}`", descriptor.media_type.escape_debug());
            return Err(Error::NotALibrary { what, why });
        }
        descriptor.check_size(&what, MANIFEST_BYTES_MAX)?;
        read(&what, &self.blob(descriptor)?)
    }

    /// The bytes that a descriptor says; its size was looked at.
    fn blob(&self, descriptor: &Descriptor) -> Result<Bytes, Error> {
        let name = format!("{BLOBS}{}", descriptor.digest.hex());
        let bytes = self.bytes(&name, descriptor.size)?;
        descriptor.verify(&self.inside(&name), bytes)
    }

    /// A file within, if it has at most so many bytes.
    fn bytes(&self, name: &str, max: u64) -> Result<Bytes, Error> {
        let &(start, size) =
            self.places.get(name).ok_or_else(|| not_a_bundle(&self.path, &format!("it lacks `{name}`")))?;
        if size > max {
            return Err(Error::TooLarge { what: self.inside(name), size, max });
        }
        let (mut file, mut bytes) = (&self.file, vec![]);
        let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.take(size).read_to_end(&mut bytes));
        read.map_err(|source| Error::File { doing: "read", path: self.path.clone(), source })?;
        Ok(bytes.into())
    }

    fn inside(&self, name: &str) -> String {
        format!("{name} in {}", self.path.display())
    }
}

/// Where the files of an archive are; nothing is unpacked, so that paths and links in it lead nowhere.
fn places(file: &File) -> io::Result<BTreeMap<String, (u64, u64)>> {
    let mut places = BTreeMap::new();
    let mut archive = Archive::new(file);
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        if entry.header().entry_type() != EntryType::Regular {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = name.strip_prefix("./").map_or(name.clone(), str::to_owned);
        if places.insert(name.clone(), (entry.raw_file_position(), entry.size())).is_some() {
            return Err(io::Error::other(format!("it has `{}` twice", name.escape_debug())));
        }
        if places.len() > FILES_MAX {
            return Err(io::Error::other(format!("it has more than {FILES_MAX} files")));
        }
    }
    Ok(places)
}

fn not_a_bundle(path: &Path, why: &str) -> Error {
    Error::NotABundle { path: path.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::tests::artifact;

    fn bundle(libraries: &[(&str, Artifact)]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle.tar");
        let named = libraries.iter().map(|(name, artifact)| ((*name).to_owned(), artifact.clone()));
        write_bundle(&mut File::create(&path).unwrap(), &named.collect()).unwrap();
        (folder, path)
    }

    fn read_all(path: &Path) -> Result<Vec<(String, Held)>, Error> {
        let bundle = Bundle::open(path)?;
        let read = |(name, digest)| Ok((name, bundle.library(&digest)?));
        bundle.libraries()?.into_iter().map(read).collect()
    }

    #[test]
    fn d6_a_bundle_gives_back_its_libraries_with_their_signatures_and_is_the_same_bytes_each_time() {
        let libraries = [
            ("one", artifact(b"first", &["by me", "by you"])),
            ("same", artifact(b"first", &["by me", "by you"])),
            ("two", artifact(b"second", &[])),
        ];
        let (_folder, path) = bundle(&libraries);
        let read = read_all(&path).unwrap();
        assert_eq!(read.len(), 3);
        for ((name, artifact), (found, held)) in libraries.iter().zip(&read) {
            assert_eq!((*name, &artifact.component), (found.as_str(), &held.component));
            assert_eq!(artifact.signatures, held.signatures);
        }
        let (_other, again) = bundle(&libraries);
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(again).unwrap());
    }

    #[test]
    fn d6_a_bundle_in_which_any_byte_was_changed_gives_no_other_library_than_it_had() {
        let (_folder, path) = bundle(&[("one", artifact(b"the component", &["by me"]))]);
        let whole = std::fs::read(&path).unwrap();
        let had = |found: &[(String, Held)]| match found {
            [(_, held)] => &held.component[..] == b"the component",
            found => found.is_empty(),
        };
        let mut refused = 0;
        for at in (0..whole.len()).step_by(7) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, damaged).unwrap();
            match read_all(&path) {
                Ok(found) => assert!(had(&found), "byte {at}"),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 100, "{refused}");
        for end in (0..whole.len() - 1024).step_by(512) {
            std::fs::write(&path, &whole[..end]).unwrap();
            assert!(read_all(&path).is_err(), "cut off after {end} bytes");
        }
    }

    /// A bundle with these files.
    fn made_of(files: &[(&str, &[u8])]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle.tar");
        let mut tar = Builder::new(File::create(&path).unwrap());
        for (name, bytes) in files {
            add(&mut tar, name, bytes).unwrap();
        }
        tar.finish().unwrap();
        (folder, path)
    }

    #[test]
    fn what_is_no_bundle_is_refused_in_words() {
        let said = |files: &[(&str, &[u8])]| {
            let (_folder, path) = made_of(files);
            read_all(&path).unwrap_err().to_string()
        };
        assert!(said(&[]).ends_with("it is no bundle: it lacks `index.json`"));
        assert!(said(&[("index.json", b"{}")]).contains("it is no document of OCI that is known here"));
        assert!(said(&[("index.json", b"{}"), ("./index.json", b"{}")]).ends_with("`index.json` twice"));
        let unnamed = Index::new(vec![Descriptor::of(MANIFEST, b"{}")]);
        assert!(said(&[("index.json", &write(&unnamed))]).contains("has no name"));
        let one = Descriptor::of(MANIFEST, b"{}").with(NAME, "one");
        let twice = Index::new(vec![one.clone(), Descriptor { size: 1, ..one.clone() }]);
        assert!(said(&[("index.json", &write(&twice))]).ends_with("it has two libraries `one`"));
        let image = Index::new(vec![Descriptor { media_type: INDEX.to_owned(), ..one.clone() }]);
        assert!(said(&[("index.json", &write(&image))]).contains(&format!("it is `{INDEX}`, not")));
        let large = Descriptor { size: MANIFEST_BYTES_MAX + 1, ..one.clone() };
        let large = Index::new(vec![large]);
        assert!(said(&[("index.json", &write(&large))]).contains("4194305 bytes, 4194304 are allowed"));
        let blob = format!("{BLOBS}{}", one.digest.hex());
        let index = write(&Index::new(vec![one]));
        assert!(said(&[("index.json", &index), (&blob, b"{ }")]).contains("has 3 bytes, 2 are allowed"));
        assert!(said(&[("index.json", &index), (&blob, b"[]")]).contains("it is damaged"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle.tar");
        std::fs::write(&path, "no archive at all".repeat(100)).unwrap();
        assert!(read_all(&path).unwrap_err().to_string().contains("it is no bundle"));
        assert!(Bundle::open(&folder.path().join("absent")).unwrap_err().to_string().starts_with("open "));
    }
}
