//! Output of records: aligned columns for people, JSON for programs.

use clap::ValueEnum;
use serde_json::Value;

/// The output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Aligned columns.
    Table,
    /// One JSON document.
    Json,
}

/// Aligns rows under their heads, with columns as wide as their longest cell.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(head.to_vec())];
    lines.extend(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}

/// Formats a value of a record: text as it is, null as `-`, money in major units with its currency.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(record) if record.contains_key("currency") => {
            let (amount, currency) =
                (record["amount"].as_i64().unwrap_or(0), record["currency"].as_str().unwrap_or(""));
            let (sign, amount) = (if amount < 0 { "-" } else { "" }, amount.unsigned_abs());
            format!("{sign}{}.{:02} {currency}", amount / 100, amount % 100)
        }
        other => other.to_string(),
    }
}

/// Chosen fields of records, by JSON pointer.
pub fn rows(records: &[Value], fields: &[&str]) -> Vec<Vec<String>> {
    let pick = |record: &Value, field: &&str| record.pointer(field).map_or_else(|| "-".to_owned(), cell);
    records.iter().map(|record| fields.iter().map(|field| pick(record, field)).collect()).collect()
}

/// A value as indented JSON.
pub fn json(value: &Value) -> String {
    format!("{value:#}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn money_keeps_its_sign() {
        for (amount, text) in [(1205, "12.05 EUR"), (-50, "-0.50 EUR"), (-1205, "-12.05 EUR"), (0, "0.00 EUR")] {
            assert_eq!(cell(&json!({ "amount": amount, "currency": "EUR" })), text);
        }
    }

    #[test]
    fn columns_line_up() {
        let records =
            [json!({"id": "ord_1", "total": {"amount": 1205, "currency": "EUR"}}), json!({"id": "x", "a": 1})];
        let text = table(&["ID", "TOTAL", "A"], &rows(&records, &["/id", "/total", "/a"]));
        assert_eq!(text, "ID     TOTAL      A\nord_1  12.05 EUR  -\nx      -          1");
    }
}
