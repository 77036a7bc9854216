//! Many companies at once, from a table.
//!
//! ```
//! # use tidegate::tenant::batch::read;
//! let rows = read("bpnl,name\nBPNL000000000DWF,Dwarf Works\nBPNL00000003CRHK,\"Elbe, Weser & Co\"\n").unwrap();
//! assert_eq!(rows[1].name, "Elbe, Weser & Co");
//! let problems = read("bpnl,name\nBPNL1,Short\nBPNL000000000DWF,A\nBPNL000000000DWF,B\n").unwrap_err();
//! assert_eq!(problems.len(), 2);
//! assert!(problems[0].starts_with("line 2: ") && problems[1].contains("line 3"));
//! ```

use std::collections::BTreeMap;

use crate::ids::TenantId;

/// A company of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its BPNL.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
}

/// Reads a table (RFC 4180) with a first line that names the columns `bpnl` and `name`.
///
/// # Errors
/// Everything that is wrong with it, a sentence each with its line; nothing is onboarded then.
pub fn read(text: &str) -> Result<Vec<Row>, Vec<String>> {
    let mut problems = Vec::new();
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let headers = reader
        .headers()
        .map(|headers| headers.iter().map(str::to_owned).collect::<Vec<_>>());
    match &headers {
        Ok(headers) if headers == &["bpnl", "name"] => {}
        Ok(headers) => {
            return Err(vec![format!(
                "line 1: the columns are `{}`; expected `bpnl,name`",
                headers.join(",")
            )]);
        }
        Err(error) => return Err(vec![format!("line 1: {error}")]),
    }
    let mut rows = Vec::new();
    let mut lines = BTreeMap::<TenantId, u64>::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                problems.push(error.to_string());
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        let (bpnl, name) = (record.get(0).unwrap_or_default(), record.get(1).unwrap_or_default());
        let tenant: TenantId = match bpnl.parse() {
            Ok(tenant) => tenant,
            Err(error) => {
                problems.push(format!("line {line}: {error}"));
                continue;
            }
        };
        if name.is_empty() {
            problems.push(format!("line {line}: {tenant} has no name"));
        }
        if let Some(before) = lines.insert(tenant, line) {
            problems.push(format!("line {line}: {tenant} stands in line {before} already"));
            continue;
        }
        rows.push(Row {
            tenant,
            name: name.to_owned(),
        });
    }
    if problems.is_empty() { Ok(rows) } else { Err(problems) }
}
