//! Libraries by digest
