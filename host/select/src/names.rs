//! Names with parts: `outer.inner.leaf`, and mapped copies, `leaf[jan][7]`.

/// The names of what holds `name`, then `name` itself.
pub(crate) fn holders(name: &str) -> impl Iterator<Item = &str> {
    let ends = name.char_indices().filter(|(_, c)| matches!(c, '.' | '[')).map(|(at, _)| at);
    ends.chain([name.len()]).map(|end| &name[..end])
}

/// The part of a name that belongs to the outermost graph.
pub(crate) fn top(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Whether `pattern` fits, in which `*` stands for any text. Takes time in proportion to both lengths at most
/// multiplied.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern.chars(), name.chars());
    // Where to go on if what follows the last star does not fit.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let (before, wanted, found) = (name.clone(), pattern.next(), name.next());
        match (wanted, found) {
            (None, None) => return true,
            (Some('*'), _) => {
                name = before.clone();
                retry = Some((pattern.clone(), before));
            }
            (Some(wanted), Some(found)) if wanted == found => {}
            (_, None) => return false,
            (_, Some(_)) => match &mut retry {
                None => return false,
                Some((after_star, from)) => {
                    if from.next().is_none() {
                        return false;
                    }
                    pattern = after_star.clone();
                    name = from.clone();
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("a*", "a", true),
            ("*a", "ba", true),
            ("*a*", "xay", true),
            ("a*b*c", "a12b34b5c", true),
            ("a*b*c", "a12b34b5", false),
            ("**", "x", true),
            ("", "", true),
            ("", "a", false),
            ("ab", "abc", false),
            ("*ab", "aab", true),
            ("é*", "éà", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn holders_are_graphs_and_mapped_steps() {
        let all: Vec<&str> = holders("a.b[x][y]").collect();
        assert_eq!(all, ["a", "a.b", "a.b[x]", "a.b[x][y]"]);
        assert_eq!(top("a.b[x][y]"), "a");
    }
}
