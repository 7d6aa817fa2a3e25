//! The supervisor: cells, libraries, values, reports
