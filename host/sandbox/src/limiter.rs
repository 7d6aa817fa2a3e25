//! Memory and tables, summed over the whole store. wasmtime's own `StoreLimits` counts each memory by
//! itself, so that eight memories would get eight times the cap.

use cofferdam_model::Limits;
use wasmtime::ResourceLimiter;

use crate::text::human_bytes;

/// Memories and tables of one store, whatever their size.
const MEMORIES_MAX: usize = 8;
const TABLES_MAX: usize = 64;

pub(crate) struct Limiter {
    memory_bytes: u64,
    memory_bytes_max: u64,
    pub(crate) memory_bytes_peak: u64,
    table_elements: u64,
    table_elements_max: u64,
    instances_max: usize,
    /// The last growth that was refused. A guest that traps after that has run out of memory.
    pub(crate) refused: Option<Refused>,
}

/// A growth that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Memory { asked: u64 },
    Table { asked: u64 },
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Limiter {
        Limiter {
            memory_bytes: 0,
            memory_bytes_max: limits.memory_bytes_max,
            memory_bytes_peak: 0,
            table_elements: 0,
            table_elements_max: limits.table_elements_max,
            instances_max: usize::try_from(limits.instances_max).unwrap_or(usize::MAX),
            refused: None,
        }
    }

    /// What was refused, with what was asked for, allowed and used.
    pub(crate) fn explain(&self) -> Option<String> {
        Some(match self.refused? {
            Refused::Memory { asked } => format!(
                "out of memory: asked {}, cap {}, peak {}",
                human_bytes(asked),
                human_bytes(self.memory_bytes_max),
                human_bytes(self.memory_bytes_peak)
            ),
            Refused::Table { asked } => {
                format!("out of table space: asked {asked} elements, cap {}", self.table_elements_max)
            }
        })
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let asked = self.memory_bytes.saturating_add((desired - current.min(desired)) as u64);
        if asked > self.memory_bytes_max {
            self.refused = Some(Refused::Memory { asked });
            return Ok(false);
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.memory_bytes = asked;
        self.memory_bytes_peak = self.memory_bytes_peak.max(asked);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let asked = self.table_elements.saturating_add((desired - current.min(desired)) as u64);
        if asked > self.table_elements_max {
            self.refused = Some(Refused::Table { asked });
            return Ok(false);
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.table_elements = asked;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.instances_max
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn h_017_memories_are_summed_over_the_store() {
        let mut limiter = Limiter::new(&Limits { memory_bytes_max: 64 * MIB as u64, ..Limits::default() });
        assert!(limiter.memory_growing(0, 40 * MIB, None).unwrap());
        assert!(!limiter.memory_growing(0, 40 * MIB, None).unwrap(), "a second memory is counted too");
        assert!(limiter.memory_growing(0, 24 * MIB, None).unwrap());
        assert_eq!(limiter.explain().unwrap(), "out of memory: asked 80 MiB, cap 64 MiB, peak 64 MiB");
    }

    #[test]
    fn a_growth_past_the_modules_own_maximum_is_not_counted() {
        let mut limiter = Limiter::new(&Limits::default());
        assert!(!limiter.memory_growing(MIB, 3 * MIB, Some(2 * MIB)).unwrap());
        assert_eq!((limiter.memory_bytes, limiter.refused), (0, None));
    }
}
