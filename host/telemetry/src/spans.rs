//! Spans on their way to a collector: batched, bounded, never waited for. What cannot be sent is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cofferdam_model::TraceContext;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::otel::Settings;
use crate::otlp;

/// Spans that may wait; at some hundred bytes each.
const WAITING_MAX: usize = 8192;
/// Spans of one request.
const BATCH_SPANS_MAX: usize = 512;
/// How long a span waits for others.
const BATCH_TIME: Duration = Duration::from_millis(500);
/// How long the end of the process waits for a collector.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// One span, ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    pub name: &'static str,
    pub context: TraceContext,
    pub parent: Option<u64>,
    /// Since 1970.
    pub start_ns: u64,
    pub end_ns: u64,
    pub attributes: Vec<(&'static str, Attribute)>,
    pub failed: bool,
}

/// What is said of a span. Nothing that a guest or a user wrote other than names: never a message, a value or config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    Text(String),
    Number(u64),
}

/// Takes spans. Clones send to the same collector.
#[derive(Debug, Clone)]
pub struct Traces {
    spans: mpsc::Sender<Span>,
    n_dropped: Arc<AtomicU64>,
}

/// The task that sends.
#[derive(Debug)]
pub struct Exporter {
    task: JoinHandle<()>,
    end: tokio::sync::oneshot::Sender<()>,
    n_dropped: Arc<AtomicU64>,
}

impl Traces {
    /// Starts to send on the current runtime.
    pub fn start(settings: Settings) -> Result<(Traces, Exporter), crate::otel::Unusable> {
        let (spans, waiting) = mpsc::channel(WAITING_MAX);
        let (end, ended) = tokio::sync::oneshot::channel();
        let n_dropped = Arc::new(AtomicU64::new(0));
        let client = settings.client()?;
        let sending = send_all(settings, client, waiting, ended, n_dropped.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "the handle is kept and awaited at the end of the process"
        )]
        let task = tokio::spawn(sending);
        Ok((Traces { spans, n_dropped: n_dropped.clone() }, Exporter { task, end, n_dropped }))
    }

    /// Hands a span over; drops it if too many wait.
    pub fn tell(&self, span: Span) {
        if self.spans.try_send(span).is_err() {
            self.n_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Exporter {
    /// Sends what waits, for a few seconds at most.
    pub async fn finish(self) {
        let Exporter { mut task, end, n_dropped } = self;
        let _ = end.send(());
        if tokio::time::timeout(FLUSH_TIMEOUT, &mut task).await.is_err() {
            tracing::warn!("the collector of traces did not take what was left in time");
            task.abort();
        }
        let n_dropped = n_dropped.load(Ordering::Relaxed);
        if n_dropped > 0 {
            tracing::warn!(n_dropped, "spans were dropped: the collector of traces was away or slow");
        }
    }
}

async fn send_all(
    settings: Settings,
    client: reqwest::Client,
    mut waiting: mpsc::Receiver<Span>,
    mut ended: tokio::sync::oneshot::Receiver<()>,
    n_dropped: Arc<AtomicU64>,
) {
    let mut last = false;
    while !last {
        let mut batch = vec![];
        tokio::select! {
            n = waiting.recv_many(&mut batch, BATCH_SPANS_MAX) => last = n == 0,
            _ = &mut ended => last = true,
        }
        if !last {
            tokio::select! {
                () = tokio::time::sleep(BATCH_TIME) => {}
                _ = &mut ended => last = true,
            }
        }
        while let Ok(span) = waiting.try_recv() {
            batch.push(span);
        }
        for spans in batch.chunks(BATCH_SPANS_MAX) {
            if let Err(error) = send(&settings, &client, spans).await {
                n_dropped.fetch_add(spans.len() as u64, Ordering::Relaxed);
                tracing::debug!(%error, "a batch of spans was not taken");
            }
        }
    }
}

/// One try: a collector that is away is not worth a queue that grows.
async fn send(settings: &Settings, client: &reqwest::Client, spans: &[Span]) -> Result<(), reqwest::Error> {
    let body = otlp::request(&settings.resource, spans);
    let request = client.post(settings.endpoint.clone()).header("content-type", "application/x-protobuf");
    let answer = request.body(body).send().await.map_err(reqwest::Error::without_url)?;
    answer.error_for_status().map(|_| ()).map_err(reqwest::Error::without_url)
}
