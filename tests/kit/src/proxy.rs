//! A TCP proxy that does to what goes through it what networks do when they are bad: pieces come late, connections break
//! in the middle of a piece, and for a while nothing passes. What happens to a connection is drawn from a seed, its
//! number and its direction; when, depends on how the machine schedules.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

/// Bytes that are passed on at once, and share their fate.
const PIECE_BYTES: usize = 4 * 1024;
/// How often it is looked whether the proxy is open again, or gone.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What happens to pieces, out of a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// Pieces that come late.
    pub delayed: u64,
    /// The longest of their delays; short ones are more frequent.
    pub delay_max: Duration,
    /// Pieces of which half arrives before the connection is reset, both ways.
    pub cut: u64,
}

/// What has happened so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Happened {
    pub connections: u64,
    pub delays: u64,
    pub cuts: u64,
}

/// Carries connections until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    seed: u64,
    weather: Mutex<Weather>,
    held: AtomicBool,
    ended: AtomicBool,
    connections: AtomicU64,
    delays: AtomicU64,
    cuts: AtomicU64,
    bytes: AtomicU64,
}

impl Proxy {
    /// Listens on loopback; what comes goes to `to`. The weather is fine at first.
    pub fn before(to: SocketAddr, seed: u64) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            to,
            seed,
            weather: Mutex::default(),
            held: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            delays: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        });
        let served = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if served.ended.load(Ordering::Relaxed) {
                    return;
                }
                served.clone().carry(client);
            }
        });
        Proxy { address, shared }
    }

    /// From now on.
    pub fn set(&self, weather: Weather) {
        *self.shared.weather.lock().unwrap_or_else(PoisonError::into_inner) = weather;
    }

    /// Nothing passes until it is released; connections stand, and new ones are made.
    pub fn hold(&self) {
        self.shared.held.store(true, Ordering::Relaxed);
    }

    pub fn release(&self) {
        self.shared.held.store(false, Ordering::Relaxed);
    }

    pub fn happened(&self) -> Happened {
        let Shared { connections, delays, cuts, .. } = &*self.shared;
        let [connections, delays, cuts] = [connections, delays, cuts].map(|n| n.load(Ordering::Relaxed));
        Happened { connections, delays, cuts }
    }

    /// Bytes that have come, both ways.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes who waits for a connection; if it cannot, nobody waits.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn carry(self: Arc<Shared>, client: TcpStream) {
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        let Ok(server) = TcpStream::connect(self.to) else {
            // As a host on which nobody listens.
            let _ = set_socket_linger(&client, Some(Duration::ZERO));
            return;
        };
        let link = Arc::new(Link { ends: [client, server], cut: AtomicBool::new(false) });
        for end in &link.ends {
            // What is held back is said by the weather, and not by this machine.
            let _ = end.set_nodelay(true);
        }
        for direction in 0..2 {
            let (shared, link) = (self.clone(), link.clone());
            let luck =
                Luck(shared.seed ^ (number << 1 | direction as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            std::thread::spawn(move || {
                // A broken connection is what this is for; the other direction ends as well.
                if shared.pass_on(&link, direction, luck).is_err() {
                    link.reset();
                }
            });
        }
    }

    fn pass_on(&self, link: &Link, direction: usize, mut luck: Luck) -> io::Result<()> {
        let (mut from, mut to) = (&link.ends[direction], &link.ends[1 - direction]);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let n_bytes = from.read(&mut piece)?;
            self.bytes.fetch_add(n_bytes as u64, Ordering::Relaxed);
            while self.held.load(Ordering::Relaxed) && !self.ended.load(Ordering::Relaxed) {
                std::thread::sleep(LOOK_EVERY);
            }
            if link.cut.load(Ordering::Relaxed) || self.ended.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            if n_bytes == 0 {
                return to.shutdown(Shutdown::Write);
            }
            let weather = *self.weather.lock().unwrap_or_else(PoisonError::into_inner);
            if luck.hits(weather.cut) {
                self.cuts.fetch_add(1, Ordering::Relaxed);
                to.write_all(&piece[..n_bytes / 2])?;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            if luck.hits(weather.delayed) {
                self.delays.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(luck.part_of(weather.delay_max));
            }
            to.write_all(&piece[..n_bytes])?;
        }
    }
}

/// Both ends of a connection.
#[derive(Debug)]
struct Link {
    ends: [TcpStream; 2],
    cut: AtomicBool,
}

impl Link {
    /// Wakes who reads or writes; when both have let go of it, both ends are reset.
    fn reset(&self) {
        self.cut.store(true, Ordering::Relaxed);
        for end in &self.ends {
            // One that is reset already is as it should be.
            let _ = set_socket_linger(end, Some(Duration::ZERO));
            let _ = end.shutdown(Shutdown::Read);
        }
    }
}

/// SplitMix64.
struct Luck(u64);

impl Luck {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn hits(&mut self, in_a_thousand: u64) -> bool {
        self.next() % 1000 < in_a_thousand
    }

    /// Short ones are more frequent: the cube of an even draw.
    fn part_of(&mut self, most: Duration) -> Duration {
        let even = (self.next() % 1000) as f64 / 1000.0;
        most.mul_f64(even.powi(3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends back what it gets.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || io::copy(&mut &stream, &mut &stream));
            }
        });
        address
    }

    /// What comes back of so many bytes, and whether the connection was reset.
    fn ask(proxy: &Proxy, n_bytes: usize) -> (usize, bool) {
        let mut stream = TcpStream::connect(proxy.address).expect("it listens");
        let sent = stream.write_all(&vec![7; n_bytes]).and_then(|()| stream.shutdown(Shutdown::Write));
        let mut back = vec![];
        let read = stream.read_to_end(&mut back);
        (back.len(), sent.is_err() || read.is_err())
    }

    #[test]
    fn in_fine_weather_everything_passes_and_while_it_is_held_nothing() {
        let proxy = Proxy::before(echo(), 1);
        assert_eq!(ask(&proxy, 100_000), (100_000, false));
        assert_eq!(proxy.bytes(), 200_000);
        proxy.hold();
        let mut stream = TcpStream::connect(proxy.address).expect("it listens");
        stream.write_all(b"hello").expect("it stands");
        stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout can be set");
        let mut back = [0; 5];
        assert!(stream.read_exact(&mut back).is_err());
        proxy.release();
        stream.set_read_timeout(None).expect("a timeout can be unset");
        stream.read_exact(&mut back).expect("it passes now");
        assert_eq!(&back, b"hello");
    }

    #[test]
    fn in_bad_weather_pieces_come_late_and_connections_are_reset_in_the_middle() {
        let proxy = Proxy::before(echo(), 1);
        proxy.set(Weather { delayed: 500, delay_max: Duration::from_millis(5), cut: 0 });
        assert_eq!(ask(&proxy, 100_000), (100_000, false));
        proxy.set(Weather { cut: 1000, ..Weather::default() });
        let (back, reset) = ask(&proxy, 100_000);
        assert!(back < 100_000 && reset, "{back} bytes came back, reset: {reset}");
        let happened = proxy.happened();
        assert!(happened.delays > 0 && happened.cuts > 0, "{happened:?}");
    }
}
