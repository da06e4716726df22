//! Suggestions for mistyped names.

/// The largest edit distance of a suggestion.
const MISTAKES: usize = 3;

/// The largest number of suggestions.
const SUGGESTIONS: usize = 3;

/// Returns the known names closest to a mistyped one, nearest first. `-`, `_` and a space are
/// equal.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let plain = |name: &str| name.to_ascii_lowercase().replace(['_', ' '], "-");
    let name = plain(name);
    let mut near: Vec<_> = known
        .into_iter()
        .filter_map(|known| {
            let like = plain(known);
            let mistakes = strsim::damerau_levenshtein(&name, &like);
            let few = mistakes <= MISTAKES.min(name.len() / 2);
            let part = name.len() >= 3 && like.contains(&name);
            (few || part).then_some((mistakes, known))
        })
        .collect();
    near.sort_unstable();
    near.truncate(SUGGESTIONS);
    near.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_similar_names() {
        let known = ["host", "port", "auth_key"];
        assert_eq!(nearest("hots", known), ["host"]);
        assert_eq!(nearest("Auth-Key", known), ["auth_key"]);
        assert_eq!(nearest("key", known), ["auth_key"]);
        assert!(nearest("x", known).is_empty() && nearest("elephant", known).is_empty());
    }
}
