//! Columns for a person: a head, rows under it, the last column as long as it is.

/// Blanks between columns.
const GAP: usize = 2;

/// The lines of a table. What a terminal would obey is spelled out: cells hold what others wrote.
pub(super) fn text<const N: usize>(
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let rows = rows.map(|cells| cells.map(|cell| printable(&cell)));
    let lines: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| lines.iter().map(|cells| cells[column].len()).max().unwrap_or(0);
    let mut widths: [usize; N] = std::array::from_fn(width);
    widths[N - 1] = 0;
    let mut text = String::new();
    for cells in &lines {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            line.push_str(&format!("{cell:<0$}", width + GAP));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| match c.is_control() {
            true => c.escape_default().collect::<Vec<_>>(),
            false => vec![c],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_and_nothing_hangs_over() {
        let rows = [["long name", "x", ""], ["a", "\u{1b}[2J", "last"]];
        let rows = rows.into_iter().map(|row| row.map(str::to_owned));
        let expected = "NAME       KIND       END\nlong name  x\na          \\u{1b}[2J  last\n";
        assert_eq!(text(["NAME", "KIND", "END"], rows), expected);
    }
}
