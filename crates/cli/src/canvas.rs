//! Some lines of a terminal that are drawn again and again, in place.

use std::io::Write as _;

/// The size that is taken where the terminal does not say.
const SIZE: (usize, usize) = (100, 30);

/// Columns and rows of the terminal on stderr.
pub fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(std::io::stderr()) {
        // Terminals of programs (`script`, some CI) say that they have no size at all.
        Ok(size) if size.ws_col >= 20 && size.ws_row >= 5 => (size.ws_col.into(), size.ws_row.into()),
        _ => SIZE,
    }
}

/// How many columns a line takes: its characters without what only colours it.
fn width(line: &str) -> usize {
    let mut count = 0;
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c == '\x1b' {
            // `ESC [ … m`, the only sequence we write.
            rest.by_ref().find(|c| *c == 'm');
        } else {
            count += 1;
        }
    }
    count
}

/// The lines that were drawn last.
#[derive(Default)]
pub struct Canvas {
    /// Their widths, as far as the terminal showed them.
    drawn: Vec<usize>,
}

impl Canvas {
    /// What shows these lines in the place of those that were drawn before, on a terminal of so many columns. The terminal
    /// is told not to break long lines meanwhile, so that each takes exactly one row; and to show all of it at once, where
    /// it knows how.
    fn redraw(&mut self, lines: &[String], columns: usize) -> String {
        let mut out = String::from("\x1b[?2026h\x1b[?7l");
        // A terminal that became narrower has broken the lines that no longer fit into several rows.
        let rows: usize = self.drawn.iter().map(|width| width.div_ceil(columns).max(1)).sum();
        if rows > 0 {
            out.push_str(&format!("\x1b[{rows}A"));
        }
        for line in lines {
            // What is not overwritten is cleared afterwards, so that nothing flickers.
            out.push_str(&format!("\r{line}\x1b[K\n"));
        }
        // Rows that are no longer needed.
        out.push_str("\x1b[J\x1b[?7h\x1b[?2026l");
        self.drawn = lines.iter().map(|line| width(line).min(columns)).collect();
        out
    }

    /// Draws on stderr. That nobody sees it is no failure.
    pub fn draw(&mut self, lines: &[String]) {
        write(&self.redraw(lines, size().0));
    }

    /// Says a line above the drawing, where it stays.
    pub fn say(&mut self, text: &str, lines: &[String]) {
        let mut all: Vec<String> = text.lines().map(str::to_owned).collect();
        let kept = all.len();
        all.extend_from_slice(lines);
        write(&self.redraw(&all, size().0));
        self.drawn.drain(..kept);
    }

    /// Leaves the drawing where it is; the next one begins below it.
    pub fn leave(&mut self) {
        self.drawn.clear();
    }
}

fn write(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Of things in order with a rank each, at most so many to show, the best ranks first and among equals the first ones; in
/// order.
pub fn pick(ranks: &[u8], most: usize) -> Vec<usize> {
    let mut places: Vec<(u8, usize)> = ranks.iter().copied().zip(0..).collect();
    if places.len() > most {
        places.sort_unstable();
        places.truncate(most);
        places.sort_unstable_by_key(|(_, place)| *place);
    }
    places.into_iter().map(|(_, place)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn lines_are_drawn_over_those_before() {
        let mut canvas = Canvas::default();
        let (begin, end) = ("\x1b[?2026h\x1b[?7l", "\x1b[J\x1b[?7h\x1b[?2026l");
        assert_eq!(canvas.redraw(&lines(&["a", "b"]), 80), format!("{begin}\ra\x1b[K\n\rb\x1b[K\n{end}"));
        assert_eq!(canvas.redraw(&lines(&["c"]), 80), format!("{begin}\x1b[2A\rc\x1b[K\n{end}"));
        assert!(canvas.redraw(&lines(&["d"]), 80).contains("\x1b[1A"));
        canvas.leave();
        assert!(!canvas.redraw(&lines(&["e"]), 80).contains('A'));
    }

    #[test]
    fn a_terminal_that_becomes_narrower_has_more_rows_to_go_up() {
        let mut canvas = Canvas::default();
        let long = format!("\x1b[32m{}\x1b[0m", "x".repeat(90));
        canvas.redraw(&[long.clone(), String::new()], 100);
        assert!(
            canvas.redraw(&[long], 40).contains("\x1b[4A"),
            "90 columns are 3 rows of 40, and the empty one"
        );
        // It was cut at 40 columns, which are one row again.
        assert!(canvas.redraw(&lines(&["y"]), 40).contains("\x1b[1A"));
    }

    #[test]
    fn the_best_are_picked_in_order() {
        assert_eq!(pick(&[3, 0, 3, 1, 0], 3), [1, 3, 4]);
        assert_eq!(pick(&[3, 3, 3], 5), [0, 1, 2]);
    }
}
