//! `Blob`.

use std::rc::Rc;

use super::{Fault, all_pages, lent};
use crate::contract::CHUNK_BYTES;

/// Objects in a bucket or folder.
///
/// ```
/// use cofferdam_op::{Blob, Result, op};
///
/// #[op]
/// fn archive(lake: Blob, text: String) -> Result<Vec<String>> {
///     lake.write("notes/today.txt", text)?;
///     Ok(lake.list("notes/")?)
/// }
/// let lake = Blob::test();
/// assert_eq!(archive(lake.clone(), "cold".to_owned()).unwrap(), ["notes/today.txt"]);
/// assert_eq!(lake.read("notes/today.txt").unwrap().unwrap(), b"cold");
/// ```
#[derive(Clone)]
pub struct Blob {
    pub(crate) calls: Rc<dyn BlobCalls>,
}

pub(crate) trait BlobCalls {
    fn read(&self, path: &str, offset: u64, length: u32) -> Result<Option<Vec<u8>>, Fault>;
    fn size(&self, path: &str) -> Result<Option<u64>, Fault>;
    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Fault>;
    fn remove(&self, path: &str) -> Result<(), Fault>;
    fn paths(&self, prefix: &str, after: Option<&str>) -> Result<(Vec<String>, bool), Fault>;
}

lent!(Blob, Blob);

impl Blob {
    /// The whole object, if there is one. Read in chunks: an object that is replaced meanwhile may be mixed.
    pub fn read(&self, path: impl AsRef<str>) -> Result<Option<Vec<u8>>, Fault> {
        let path = path.as_ref();
        let mut all = vec![];
        loop {
            let Some(mut chunk) = self.read_at(path, all.len() as u64, CHUNK_BYTES as u32)? else {
                return Ok(None);
            };
            if chunk.is_empty() {
                return Ok(Some(all));
            }
            all.append(&mut chunk);
        }
    }

    /// At most `length` bytes from `offset`; fewer at the end or where the host prefers so, none past the end.
    pub fn read_at(&self, path: impl AsRef<str>, offset: u64, length: u32) -> Result<Option<Vec<u8>>, Fault> {
        self.calls.read(path.as_ref(), offset, length)
    }

    /// Bytes in all, if there is such an object.
    pub fn size(&self, path: impl AsRef<str>) -> Result<Option<u64>, Fault> {
        self.calls.size(path.as_ref())
    }

    /// Replaces the whole object, at once.
    pub fn write(&self, path: impl AsRef<str>, bytes: impl AsRef<[u8]>) -> Result<(), Fault> {
        self.calls.write(path.as_ref(), bytes.as_ref())
    }

    /// Removes the object, if there is one.
    pub fn remove(&self, path: impl AsRef<str>) -> Result<(), Fault> {
        self.calls.remove(path.as_ref())
    }

    /// All paths that begin so, sorted.
    pub fn list(&self, prefix: impl AsRef<str>) -> Result<Vec<String>, Fault> {
        all_pages(|after| self.calls.paths(prefix.as_ref(), after.as_deref()))
    }
}

#[cfg(not(target_family = "wasm"))]
mod memory {
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::rc::Rc;

    use super::{Blob, BlobCalls, Fault};
    use crate::resource::whole_page;

    #[derive(Default)]
    struct Memory(RefCell<BTreeMap<String, Vec<u8>>>);

    impl Blob {
        /// An empty one in memory, for native tests. Clones share it.
        pub fn test() -> Blob {
            Blob { calls: Rc::new(Memory::default()) }
        }
    }

    impl BlobCalls for Memory {
        fn read(&self, path: &str, offset: u64, length: u32) -> Result<Option<Vec<u8>>, Fault> {
            Ok(self.0.borrow().get(path).map(|bytes| {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let end = start.saturating_add(length as usize).min(bytes.len());
                bytes[start..end].to_vec()
            }))
        }

        fn size(&self, path: &str) -> Result<Option<u64>, Fault> {
            Ok(self.0.borrow().get(path).map(|bytes| bytes.len() as u64))
        }

        fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Fault> {
            self.0.borrow_mut().insert(path.to_owned(), bytes.to_owned());
            Ok(())
        }

        fn remove(&self, path: &str) -> Result<(), Fault> {
            self.0.borrow_mut().remove(path);
            Ok(())
        }

        fn paths(&self, prefix: &str, after: Option<&str>) -> Result<(Vec<String>, bool), Fault> {
            Ok(whole_page(self.0.borrow().keys(), prefix, after))
        }
    }
}
