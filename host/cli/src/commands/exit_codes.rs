//! `cofferdam exit-codes`: the contract with scripts.

use serde_json::json;

use crate::error::Result;
use crate::exit::Exit;
use crate::output::Output;

pub(crate) fn run(output: Output) -> Result<()> {
    if output.json {
        let codes: Vec<_> =
            Exit::ALL.iter().map(|exit| json!({ "code": *exit as u8, "meaning": exit.meaning() })).collect();
        return output.document("cofferdam.exit-codes/v1", json!({ "codes": codes }));
    }
    let lines: Vec<String> =
        Exit::ALL.iter().map(|exit| format!("{:>4}  {}", *exit as u8, exit.meaning())).collect();
    output.answer(&lines.join("\n"))
}
