//! Differences between two lists of lines.

/// One line of a difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// Expected, and there.
    Same(String),
    /// Expected, and not there.
    Missing(String),
    /// There, and not expected.
    Unexpected(String),
}

impl std::fmt::Display for Line {
    /// The line after two spaces, `- ` or `+ `.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Same(text) => write!(f, "  {text}"),
            Self::Missing(text) => write!(f, "- {text}"),
            Self::Unexpected(text) => write!(f, "+ {text}"),
        }
    }
}

/// Beyond so many pairs of lines the sides are listed one after the other.
const MAX_PAIRS: usize = 1_000_000;

/// The difference with the most lines in common.
pub(super) fn lines(expected: &[String], got: &[String]) -> Vec<Line> {
    if expected.len().saturating_mul(got.len()) > MAX_PAIRS {
        let missing = expected.iter().cloned().map(Line::Missing);
        return missing.chain(got.iter().cloned().map(Line::Unexpected)).collect();
    }
    // `common[i][j]` is the most that `expected[i..]` and `got[j..]` have in common.
    let mut common = vec![vec![0usize; got.len() + 1]; expected.len() + 1];
    for i in (0..expected.len()).rev() {
        for j in (0..got.len()).rev() {
            common[i][j] = if expected[i] == got[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    while i < expected.len() || j < got.len() {
        if i < expected.len() && j < got.len() && expected[i] == got[j] {
            out.push(Line::Same(expected[i].clone()));
            (i, j) = (i + 1, j + 1);
        } else if i < expected.len() && (j == got.len() || common[i + 1][j] >= common[i][j + 1]) {
            out.push(Line::Missing(expected[i].clone()));
            i += 1;
        } else {
            out.push(Line::Unexpected(got[j].clone()));
            j += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_lines_are_kept() {
        let texts = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        let shown: Vec<String> =
            lines(&texts("a b c"), &texts("a x c d")).iter().map(Line::to_string).collect();
        assert_eq!(shown, ["  a", "- b", "+ x", "  c", "+ d"]);
        assert_eq!(lines(&[], &texts("a")), [Line::Unexpected("a".to_owned())]);
    }
}
