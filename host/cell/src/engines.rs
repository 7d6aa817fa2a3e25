//! The two engines of a child. Counted code runs up to twice as long, so only attempts with a fuel limit get the
//! engine that counts, which is made when the first of them comes.

use cofferdam_sandbox::{Error, Sandbox, Settings};

/// For which engine a library is compiled. Both children use the same settings, so that what one compiles the
/// other can load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What the cell said in its `Hello`.
    pub fingerprint: String,
    /// The engine that counts fuel, which differs from the other in nothing else.
    pub fuel: bool,
}

impl Target {
    /// Tells this engine from every other one.
    pub fn name(&self) -> String {
        let suffix = if self.fuel { "-fuel" } else { "" };
        format!("{}{suffix}", self.fingerprint)
    }
}

pub(crate) struct Engines {
    plain: Sandbox,
    counting: Option<Sandbox>,
}

impl Engines {
    pub(crate) fn new() -> Result<Engines, Error> {
        Ok(Engines { plain: Sandbox::new(&Settings::default())?, counting: None })
    }

    /// Fingerprint of the engine that does not count. The other one follows from it.
    pub(crate) fn fingerprint(&self) -> String {
        self.plain.fingerprint()
    }

    pub(crate) fn get(&mut self, fuel: bool) -> Result<&Sandbox, Error> {
        if !fuel {
            return Ok(&self.plain);
        }
        if self.counting.is_none() {
            self.counting = Some(Sandbox::new(&Settings { fuel, ..Settings::default() })?);
        }
        Ok(self.counting.as_ref().expect("made above"))
    }
}
