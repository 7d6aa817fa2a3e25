//! A run that is written to event by event, whatever happens to the database meanwhile, and what must come of it.

use std::collections::BTreeMap;

use cofferdam_model::*;
use cofferdam_runlog::*;

pub(crate) fn new_run(n: u128) -> NewRun {
    NewRun {
        run: RunId(uuid::Uuid::from_u128(n)),
        job: Name::key("job").unwrap(),
        plan: b"plan".to_vec(),
        digest: ValueDigest::of(b"plan"),
        tags: BTreeMap::new(),
        created_at: Timestamp(0),
        idempotency_key: None,
        origin: None,
        known: Known::default(),
    }
}

pub(crate) fn recorded(seq: u64) -> Recorded {
    let event = Event::StepSkipped { step: StepKey::new(&format!("a[{seq}]")), input: Name::result() };
    Recorded { seq, at: Timestamp(seq), event }
}

/// A run of a term.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writing {
    pub(crate) run: RunId,
    pub(crate) term: Term,
}

impl Writing {
    pub(crate) async fn begin(log: &Postgres) -> Writing {
        let term = log.take_term(Term(0)).await.unwrap();
        Writing { run: log.create_run(new_run(1)).await.unwrap(), term }
    }

    /// Appends the event of that number.
    pub(crate) async fn append(self, log: &Postgres, seq: u64) -> Result<(), AppendError> {
        let events = vec![recorded(seq)];
        log.append(vec![Batch { run: self.run, expected_seq: seq - 1, term: self.term, events }]).await
    }

    /// Every event that was answered is there once, in order, and nothing else.
    pub(crate) async fn check(self, log: &Postgres, n_answered: u64) {
        let events = log.history(self.run, 1).await.unwrap();
        assert!(events.into_iter().eq((1..=n_answered).map(recorded)));
        assert_eq!(log.summary(self.run).await.unwrap().last_seq, n_answered);
    }
}

/// An error with its causes; the port, which differs each time, is called `PORT`.
pub(crate) fn words(error: &dyn std::error::Error, port: u16) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.replace(&port.to_string(), "PORT")
}
