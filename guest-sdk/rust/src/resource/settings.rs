//! `Settings`.

use std::rc::Rc;

use super::{Fault, FaultKind, lent};

/// Named texts of a resource of kind `config`, secrets among them. Do not log what you read here.
///
/// ```
/// use cofferdam_op::{Result, Settings, op};
///
/// #[op]
/// fn greet(site: Settings, name: String) -> Result<String> {
///     Ok(format!("{} {name}", site.require("greeting")?))
/// }
/// assert_eq!(greet(Settings::test([("greeting", "Hello")]), "Ada".to_owned()).unwrap(), "Hello Ada");
/// ```
#[derive(Clone)]
pub struct Settings {
    pub(crate) calls: Rc<dyn SettingsCalls>,
}

pub(crate) trait SettingsCalls {
    fn get(&self, key: &str) -> Result<Option<String>, Fault>;
}

lent!(Settings, Config);

impl Settings {
    /// The setting, if there is one.
    pub fn get(&self, key: impl AsRef<str>) -> Result<Option<String>, Fault> {
        self.calls.get(key.as_ref())
    }

    /// The setting; fails if there is none.
    pub fn require(&self, key: impl AsRef<str>) -> Result<String, Fault> {
        let key = key.as_ref();
        let missing = || Fault::new(FaultKind::Invalid, format!("there is no setting `{key}`"));
        self.get(key)?.ok_or_else(missing)
    }
}

#[cfg(not(target_family = "wasm"))]
mod memory {
    use std::collections::BTreeMap;
    use std::rc::Rc;

    use super::{Fault, Settings, SettingsCalls};

    impl Settings {
        /// These, for native tests.
        pub fn test<K: Into<String>, V: Into<String>>(
            settings: impl IntoIterator<Item = (K, V)>,
        ) -> Settings {
            let settings = settings.into_iter().map(|(key, value)| (key.into(), value.into()));
            Settings { calls: Rc::new(settings.collect::<BTreeMap<String, String>>()) }
        }
    }

    impl SettingsCalls for BTreeMap<String, String> {
        fn get(&self, key: &str) -> Result<Option<String>, Fault> {
            Ok(BTreeMap::get(self, key).cloned())
        }
    }
}
