//! Definitions, selection and run config in; a plan or all diagnostics out
