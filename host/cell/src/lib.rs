//! The child process that runs attempts: its frames and the loop around the sandbox
