//! `Keyvalue`.

use std::rc::Rc;

use super::{Fault, all_pages, lent};

/// Bytes by key.
///
/// ```
/// use cofferdam_op::{Keyvalue, Result, op};
///
/// #[op]
/// fn remember(seen: Keyvalue, id: String) -> Result<bool> {
///     let known = seen.get(&id)?.is_some();
///     seen.set(&id, b"seen")?;
///     Ok(known)
/// }
/// let seen = Keyvalue::test();
/// assert!(!remember(seen.clone(), "a".to_owned()).unwrap());
/// assert!(remember(seen, "a".to_owned()).unwrap());
/// ```
#[derive(Clone)]
pub struct Keyvalue {
    pub(crate) calls: Rc<dyn KeyvalueCalls>,
}

pub(crate) trait KeyvalueCalls {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Fault>;
    fn set(&self, key: &str, value: &[u8]) -> Result<(), Fault>;
    fn remove(&self, key: &str) -> Result<(), Fault>;
    fn keys(&self, prefix: &str, after: Option<&str>) -> Result<(Vec<String>, bool), Fault>;
}

lent!(Keyvalue, Keyvalue);

impl Keyvalue {
    /// What is under the key, if anything.
    pub fn get(&self, key: impl AsRef<str>) -> Result<Option<Vec<u8>>, Fault> {
        self.calls.get(key.as_ref())
    }

    /// Puts bytes under the key, whatever was there.
    pub fn set(&self, key: impl AsRef<str>, value: impl AsRef<[u8]>) -> Result<(), Fault> {
        self.calls.set(key.as_ref(), value.as_ref())
    }

    /// Removes what is under the key, if anything.
    pub fn remove(&self, key: impl AsRef<str>) -> Result<(), Fault> {
        self.calls.remove(key.as_ref())
    }

    /// All keys that begin so, sorted.
    pub fn keys(&self, prefix: impl AsRef<str>) -> Result<Vec<String>, Fault> {
        all_pages(|after| self.calls.keys(prefix.as_ref(), after.as_deref()))
    }
}

#[cfg(not(target_family = "wasm"))]
mod memory {
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::rc::Rc;

    use super::{Fault, Keyvalue, KeyvalueCalls};
    use crate::resource::whole_page;

    #[derive(Default)]
    struct Memory(RefCell<BTreeMap<String, Vec<u8>>>);

    impl Keyvalue {
        /// An empty one in memory, for native tests. Clones share it.
        pub fn test() -> Keyvalue {
            Keyvalue { calls: Rc::new(Memory::default()) }
        }
    }

    impl KeyvalueCalls for Memory {
        fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
            Ok(self.0.borrow().get(key).cloned())
        }

        fn set(&self, key: &str, value: &[u8]) -> Result<(), Fault> {
            self.0.borrow_mut().insert(key.to_owned(), value.to_owned());
            Ok(())
        }

        fn remove(&self, key: &str) -> Result<(), Fault> {
            self.0.borrow_mut().remove(key);
            Ok(())
        }

        fn keys(&self, prefix: &str, after: Option<&str>) -> Result<(Vec<String>, bool), Fault> {
            Ok(whole_page(self.0.borrow().keys(), prefix, after))
        }
    }
}
