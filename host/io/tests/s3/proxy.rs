//! A proxy before a server that does to chosen requests what networks and tired servers do. One request a connection,
//! so that each fault hits exactly one request.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The server gets half of the body, then the connection breaks.
    CutRequest,
    /// The client gets half of the answer, then the connection breaks.
    CutAnswer,
    /// The server does it, and the client never hears of it.
    LoseAnswer,
    /// The server never sees it.
    Refuse(u16),
    /// The server does it, and the client is told that it failed.
    RefuseAfter(u16),
    /// The server gets it twice; the client hears of the second time.
    Duplicate,
    /// The answer comes late.
    Delay,
    /// The answer does not come while the client listens.
    Stall,
    /// The answer is half of what it was, and says so itself: nothing is wrong on the wire.
    Truncate,
    /// One bit of the answer's body differs.
    Flip,
    /// The connection breaks; the request is delivered when the test says so.
    Hold,
}

/// How long [`Fault::Delay`] takes.
const DELAY: Duration = Duration::from_millis(300);
/// How long [`Fault::Stall`] takes: longer than the client waits for an answer.
const STALL: Duration = Duration::from_secs(40);

type Matches = Box<dyn Fn(&str) -> bool + Send>;

#[derive(Default)]
struct State {
    /// The next request whose first line matches gets the fault.
    faults: Vec<(Matches, Fault)>,
    n_fired: usize,
    held: Vec<Vec<u8>>,
}

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    server: SocketAddr,
    state: Arc<Mutex<State>>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn before(server: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let shared = shared.clone();
                // A broken connection is what this is for.
                connections.spawn(async move { serve(socket, server, &shared).await.unwrap_or_default() });
            }
        });
        Proxy { address, server, state, _tasks: tasks }
    }

    /// The next request of which the first line matches gets the fault.
    pub(crate) fn inject(&self, fault: Fault, matches: impl Fn(&str) -> bool + Send + 'static) {
        self.state.lock().unwrap().faults.push((Box::new(matches), fault));
    }

    /// How many faults have happened.
    pub(crate) fn n_fired(&self) -> usize {
        self.state.lock().unwrap().n_fired
    }

    /// Delivers what was held; the statuses that the server answers.
    pub(crate) async fn deliver_held(&self) -> Vec<u16> {
        let held = std::mem::take(&mut self.state.lock().unwrap().held);
        let mut statuses = vec![];
        for request in held {
            let answer = ask(self.server, &request).await.unwrap();
            let text = String::from_utf8_lossy(&answer[..answer.len().min(15)]).into_owned();
            statuses.push(text.split(' ').nth(1).unwrap().parse().unwrap());
        }
        statuses
    }
}

async fn serve(mut client: TcpStream, server: SocketAddr, state: &Mutex<State>) -> std::io::Result<()> {
    let Some(request) = read_request(&mut client).await? else { return Ok(()) };
    let first = String::from_utf8_lossy(&request[..request.iter().position(|b| *b == b'\r').unwrap_or(0)])
        .into_owned();
    let fault = {
        let mut state = state.lock().unwrap();
        let at = state.faults.iter().position(|(matches, _)| matches(&first));
        let fault = at.map(|at| state.faults.remove(at).1);
        state.n_fired += usize::from(fault.is_some());
        if fault == Some(Fault::Hold) {
            state.held.push(request.clone());
        }
        fault
    };
    let head = head_bytes(&request);
    match fault {
        Some(Fault::Hold) => return Ok(()),
        Some(Fault::Refuse(status)) => return client.write_all(&refusal(status)).await,
        Some(Fault::CutRequest) => {
            let mut upstream = TcpStream::connect(server).await?;
            return upstream.write_all(&request[..head + (request.len() - head) / 2]).await;
        }
        Some(Fault::Duplicate) => drop(ask(server, &request).await?),
        _ => {}
    }
    let mut answer = ask(server, &request).await?;
    let body = head_bytes(&answer);
    match fault {
        Some(Fault::LoseAnswer) => return Ok(()),
        Some(Fault::RefuseAfter(status)) => answer = refusal(status),
        Some(Fault::CutAnswer) => answer.truncate(body + (answer.len() - body) / 2),
        Some(Fault::Delay) => tokio::time::sleep(DELAY).await,
        Some(Fault::Stall) => tokio::time::sleep(STALL).await,
        Some(Fault::Flip) => answer[body] ^= 1,
        Some(Fault::Truncate) => {
            let length = answer.len() - body;
            answer.truncate(body + length / 2);
            let head = String::from_utf8_lossy(&answer[..body]).to_lowercase();
            let head = head
                .replace(&format!("content-length: {length}\r"), &format!("content-length: {}\r", length / 2))
                .replace(&format!("-{}/", length - 1), &format!("-{}/", length / 2 - 1));
            answer.splice(..body, head.into_bytes());
        }
        _ => {}
    }
    client.write_all(&answer).await?;
    client.shutdown().await
}

/// Sends a whole request and reads the whole answer.
async fn ask(server: SocketAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut upstream = TcpStream::connect(server).await?;
    upstream.write_all(request).await?;
    let mut answer = vec![];
    upstream.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// One request with its body, told to be the last of its connection; none if the client left.
async fn read_request(client: &mut TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut request = vec![];
    while head_bytes(&request) == 0 {
        if client.read_buf(&mut request).await? == 0 {
            return Ok(None);
        }
    }
    let head = head_bytes(&request);
    let text = String::from_utf8_lossy(&request[..head]).to_lowercase();
    let length = text.split("\r\n").find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
    while request.len() < head + length {
        if client.read_buf(&mut request).await? == 0 {
            return Ok(None);
        }
    }
    request.splice(head - 2..head - 2, *b"connection: close\r\n");
    Ok(Some(request))
}

/// Bytes up to the empty line, it included; 0 before it has come.
fn head_bytes(message: &[u8]) -> usize {
    message.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4)
}

fn refusal(status: u16) -> Vec<u8> {
    let body = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
    format!("HTTP/1.1 {status} Later\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}
