//! Tables in plain text: columns as wide as their contents, numbers to the right.

/// Lays out rows under a header; the first column is flush left, the others flush right.
pub fn render(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let rule = widths.iter().map(|&width| "─".repeat(width)).collect::<Vec<_>>();
    let mut text = line(&mut header.iter().copied());
    text += &line(&mut rule.iter().map(String::as_str));
    for row in rows {
        text += &line(&mut row.iter().map(String::as_str));
    }
    text
}

/// A number to so many significant digits, with an exponent only where it is needed; a dash for NaN.
pub fn number(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "–".into();
    }
    let decade = if value == 0.0 || value.is_infinite() { 0.0 } else { value.abs().log10().floor() };
    if !(-4.0..7.0).contains(&decade) {
        return format!("{value:.*e}", digits - 1);
    }
    format!("{value:.*}", (digits as f64 - 1.0 - decade).max(0.0) as usize)
}
