//! `cofferdam token`: the token of the instance whose state is here.

use serde_json::json;

use crate::commands::serve::admission;
use crate::error::{Failed, Result};
use crate::output::Output;
use crate::project::StateDir;

pub(crate) fn rotate(state: &StateDir, output: Output) -> Result<()> {
    let file = cofferdam_server::rotate_token(state.folder()).map_err(|error| admission(&error))?;
    let Some(file) = file else {
        let message = format!("there is no token in {}", state.folder().display());
        return Err(Failed::usage(message).hint(
            "`cofferdam serve` makes one on its first start; `--state-dir DIR` names the folder of its state",
        ));
    };
    if output.json {
        return output.document("cofferdam.token/v1", json!({ "file": file }));
    }
    output.answer(&format!("the new token is in {}; the old one is refused from now on", file.display()))
}
