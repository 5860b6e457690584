//! What is printed.

use std::fmt::Write;

use serde::Serialize;
use serde_json::json;

use super::check::{Check, Cure, Outcome, first_fault};

/// One line for each check, its cure below it, and the verdict.
pub(super) fn text(checks: &[Check]) -> String {
    let mut text = String::new();
    for Check { hop, outcome } in checks {
        let _ = match outcome {
            Outcome::Good(shown) => writeln!(text, "✓ {hop:<10} {shown}"),
            Outcome::Unchecked(reason) => writeln!(text, "- {hop:<10} not checked: {reason}"),
            Outcome::Fault(fault) => writeln!(text, "✗ {hop:<10} {}: {}", fault.name, fault.text),
        };
        if let Outcome::Fault(fault) = outcome
            && let Some(cure) = &fault.cure
        {
            let _ = writeln!(text, "{:13}{}", "", shown(cure));
        }
    }
    text + &verdict(checks) + "\n"
}

fn verdict(checks: &[Check]) -> String {
    if let Some(fault) = first_fault(checks) {
        let cure = fault
            .cure
            .as_ref()
            .map_or_else(|| format!(": {}", fault.text), |cure| format!("; {}", shown(cure)));
        return format!("The first hop that fails: {}{cure}", fault.name);
    }
    let is_unchecked = |check: &&Check| matches!(check.outcome, Outcome::Unchecked(_));
    let unchecked: Vec<_> = checks.iter().filter(is_unchecked).map(|check| check.hop).collect();
    match &unchecked[..] {
        [] => "All is well".to_owned(),
        hops => format!("Nothing is wrong as far as it was checked; not checked: {}", hops.join(", ")),
    }
}

fn shown(cure: &Cure) -> String {
    format!("on the {} host: `{}`", cure.host, cure.command)
}

/// A check, as `--json` shows it.
#[derive(Serialize)]
struct Row<'a> {
    hop: &'static str,
    outcome: &'static str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a str>,
}

/// The same as JSON.
pub(super) fn json(checks: &[Check]) -> String {
    let row = |check: &'_ Check| -> serde_json::Value {
        let plain =
            |outcome, text| Row { hop: check.hop, outcome, text, name: None, host: None, command: None };
        let row = match &check.outcome {
            Outcome::Good(text) => plain("good", text),
            Outcome::Unchecked(text) => plain("unchecked", text),
            Outcome::Fault(fault) => {
                let cure = fault.cure.as_ref();
                let (host, command) = (cure.map(|cure| cure.host), cure.map(|cure| &*cure.command));
                Row { name: Some(fault.name), host, command, ..plain("fault", &fault.text) }
            }
        };
        json!(row)
    };
    let rows: Vec<_> = checks.iter().map(row).collect();
    let first = first_fault(checks).map(|fault| fault.name);
    let whole = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "fault": first,
        "verdict": verdict(checks),
        "checks": rows,
    });
    format!("{whole:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> Vec<Check> {
        vec![
            Check::good("rights", "all"),
            Check::unchecked("clients", "none came"),
            Check::fault(
                "interfaces",
                "interface-down",
                "eth0 is down".into(),
                Some("ip link set eth0 up".into()),
            ),
        ]
    }

    #[test]
    fn a_line_for_each_check_and_the_verdict() {
        let expected = "\
✓ rights     all
- clients    not checked: none came
✗ interfaces interface-down: eth0 is down
             on the online host: `ip link set eth0 up`
The first hop that fails: interface-down; on the online host: `ip link set eth0 up`
";
        assert_eq!(text(&checks()), expected);
        assert!(text(&checks()[..2]).ends_with("as far as it was checked; not checked: clients\n"));
        assert!(text(&checks()[..1]).ends_with("\nAll is well\n"));
    }

    #[test]
    fn json_has_the_same() {
        let read: serde_json::Value = serde_json::from_str(&json(&checks())).unwrap();
        assert_eq!(read["fault"], "interface-down");
        assert_eq!(read["checks"][1]["outcome"], "unchecked");
        assert_eq!(read["checks"][2]["command"], "ip link set eth0 up");
        let good: serde_json::Value = serde_json::from_str(&json(&checks()[..1])).unwrap();
        assert!(good["fault"].is_null());
    }
}
