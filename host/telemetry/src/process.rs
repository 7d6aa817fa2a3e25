//! What the kernel says of this process, read when somebody looks.

use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::registry::{put, signed};

#[derive(Debug)]
pub(crate) struct Collected;

impl Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        if let Some(seconds) = cpu_seconds() {
            put(&mut encoder, "process_cpu_seconds", &ConstCounter::new(seconds))?;
        }
        if let Some(bytes) = resident_bytes() {
            put(&mut encoder, "process_resident_memory_bytes", &ConstGauge::new(signed(bytes)))?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            put(&mut encoder, "process_open_fds", &ConstGauge::new(signed(open.count() as u64)))?;
        }
        Ok(())
    }
}

/// User and system time of all threads.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in parentheses, may hold anything; times are the 14th and 15th field, the 3rd comes after the name.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / rustix::param::clock_ticks_per_second() as f64)
}

fn resident_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
