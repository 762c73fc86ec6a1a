//! `trug list`.

use clap::Args;

use super::output;
use crate::container::Globals;
use crate::container::list::list;
use crate::container::view::View;
use crate::fail;
use crate::report::{Code, Result, printable};

const AFTER: &str = "\
Lists what is below --root. A container that cannot be read is named in a warning and left out.

Examples:
   trug list
   trug list --format json | jq -r '.[] | select(.status == \"stopped\") | .id'";

/// The narrowest that a column can be, and what keeps two apart.
const NARROWEST: usize = 12;
const GAP: usize = 3;

/// lists containers started by trug with the given root
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct List {
    /// A table for people, or json for programs
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(super) format: String,
    /// Print ids only
    #[arg(short, long)]
    pub(super) quiet: bool,
}

impl List {
    pub fn carry_out(self, globals: &Globals) -> Result<u8> {
        let views = list(globals)?;
        let text = match self.format.as_str() {
            _ if self.quiet => views.iter().map(|view| format!("{}\n", view.id)).collect(),
            "table" => table(&views),
            "json" => output::json_list(&views)?,
            _ => fail!(Code::Usage, "invalid format option"),
        };
        output::print(&text)?;
        Ok(0)
    }
}

fn table(views: &[View]) -> String {
    let title = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(title).chain(views.iter().map(row)).collect();
    let width = |column: usize| {
        let widest = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
        NARROWEST.max(widest + GAP)
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn row(view: &View) -> [String; 6] {
    let View { id, pid, status, bundle, created, owner, .. } = view;
    [
        id.clone(),
        pid.to_string(),
        (*status).to_owned(),
        // The path is whatever a caller named; a terminal must not act on it.
        one_line(&bundle.display().to_string()),
        created.clone(),
        owner.clone(),
    ]
}

fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// The last column has nothing to keep apart from.
fn line(row: &[String; 6], widths: &[usize; 6]) -> String {
    let [first @ .., last] = row;
    let mut line: String = first.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
    line += last;
    line += "\n";
    line
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn view(id: &str, bundle: &str) -> View {
        View {
            oci_version: "1.3.0".to_owned(),
            id: id.to_owned(),
            pid: 17,
            status: "running",
            bundle: PathBuf::from(bundle),
            rootfs: PathBuf::from("/b/rootfs"),
            created: "2026-11-22T05:00:00.123456789Z".to_owned(),
            annotations: Default::default(),
            owner: "root".to_owned(),
        }
    }

    #[test]
    fn a_table_has_columns_of_twelve_or_as_wide_as_needed_and_three() {
        let expected = "\
ID              PID         STATUS      BUNDLE      CREATED                          OWNER
a               17          running     /b          2026-11-22T05:00:00.123456789Z   root
a-longer-name   17          running     /bundle89   2026-11-22T05:00:00.123456789Z   root
";
        assert_eq!(table(&[view("a", "/b"), view("a-longer-name", "/bundle89")]), expected);
    }

    #[test]
    fn an_empty_table_is_its_title() {
        assert_eq!(table(&[]), "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
    }

    #[test]
    fn a_row_is_one_line_whatever_the_path() {
        let table = table(&[view("a", "/b\n\x1b[2J\t")]);
        assert_eq!(table.lines().count(), 2, "{table}");
        assert!(table.contains(r"/b\n\u{1b}[2J\t   "), "{table}");
    }

    #[test]
    fn json_is_one_line_with_the_fields_in_runcs_order() {
        let expected = concat!(
            r#"[{"ociVersion":"1.3.0","id":"a","pid":17,"status":"running","bundle":"/b","rootfs":"/b/rootfs","#,
            r#""created":"2026-11-22T05:00:00.123456789Z","owner":"root"}]"#,
            "\n"
        );
        assert_eq!(output::json_list(&[view("a", "/b")]).unwrap(), expected);
    }
}
