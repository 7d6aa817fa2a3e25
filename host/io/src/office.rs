//! The last time in office of a scheduler, kept beside the values. Fences name values and contain the term, so a run log
//! that comes from an older backup must not give terms again under which there are values.

use bytes::Bytes;
use cofferdam_model::Term;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};

use crate::{Error, ValueStore};

/// Beside the folder of all values, so that no key is that of a value.
pub(crate) const TERM_KEY: &str = "term";

impl ValueStore {
    /// The last term that was noted here; 0 if none was.
    pub async fn noted_term(&self) -> Result<Term, Error> {
        let failed = |source| Error::store("read", TERM_KEY, source);
        let bytes = match self.store.get(&Path::from(TERM_KEY)).await {
            Ok(object) => object.bytes().await.map_err(failed)?,
            Err(object_store::Error::NotFound { .. }) => return Ok(Term(0)),
            Err(source) => return Err(failed(source)),
        };
        let term = std::str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok());
        let damaged = || object_store::Error::Generic { store: "term", source: "it is no number".into() };
        term.map(Term).ok_or_else(|| failed(damaged()))
    }

    /// Notes a term, durably. To be called before anything is given out under it.
    pub async fn note_term(&self, term: Term) -> Result<(), Error> {
        let payload = PutPayload::from(Bytes::from(format!("{}\n", term.0)));
        let put = self.store.put(&Path::from(TERM_KEY), payload).await;
        put.map(|_| ()).map_err(|source| Error::store("write", TERM_KEY, source))
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_model::Name;

    use super::*;

    #[tokio::test]
    async fn the_last_term_is_kept_beside_the_values() {
        let folder = tempfile::tempdir().unwrap();
        let open = || ValueStore::local(folder.path(), Name::new("default").unwrap()).unwrap();
        assert_eq!(open().noted_term().await.unwrap(), Term(0));
        open().note_term(Term(3)).await.unwrap();
        open().note_term(Term(12)).await.unwrap();
        assert_eq!(open().noted_term().await.unwrap(), Term(12));
        assert_eq!(open().list("main").await.unwrap(), [], "no sweep may take it");
        std::fs::write(folder.path().join(TERM_KEY), "twelve").unwrap();
        let error = open().noted_term().await.unwrap_err();
        assert!(format!("{error:?}").contains("no number"), "{error:?}");
    }
}
