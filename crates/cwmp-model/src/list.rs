//! Comma-separated list values (TR-106 section 3.2.3, CWMP-374).

/// What an item must not hold bare: it would end the item or be trimmed from it. A `%` is escaped only where it would read
/// as one of these escapes, so that items such as URLs stay as their author wrote them.
const ESCAPES: [(char, &str); 6] =
    [(',', "%2C"), (' ', "%20"), ('\t', "%09"), ('\n', "%0A"), ('\r', "%0D"), ('%', "%25")];

/// White space of XML, which may stand around items.
const WHITE_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// The items of a list value. White space around them is no part of them; escaped commas, white space and percent signs
/// inside are given back. An empty text is the empty list.
pub fn split_list(text: &str) -> Vec<String> {
    split_where(text, |_| false)
}

/// Like [`split_list`] for values whose items may be lists in brackets: commas inside `[…]` do not split, and the brackets
/// stay with their item.
pub fn split_nested_list(text: &str) -> Vec<String> {
    let mut depth = 0_usize;
    split_where(text, move |c| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > 0
    })
}

/// The list value that [`split_list`] takes apart into `items`. One empty item and no item have the same text.
pub fn join_list<I>(items: I) -> String
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let mut text = String::new();
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        escape_into(item.as_ref(), &mut text);
    }
    text
}

fn split_where(text: &str, mut protected: impl FnMut(char) -> bool) -> Vec<String> {
    let text = text.trim_matches(WHITE_SPACE);
    if text.is_empty() {
        return Vec::new();
    }
    text.split(|c| !protected(c) && c == ',').map(|item| unescape(item.trim_matches(WHITE_SPACE))).collect()
}

fn escape_into(item: &str, text: &mut String) {
    for (at, c) in item.char_indices() {
        let escape = ESCAPES.iter().find(|(plain, _)| *plain == c);
        match escape {
            Some(_) if c == '%' && escape_at(&item[at..]).is_none() => text.push(c),
            Some((_, escaped)) => text.push_str(escaped),
            None => text.push(c),
        }
    }
}

fn unescape(item: &str) -> String {
    let mut plain = String::with_capacity(item.len());
    let mut rest = item;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let (c, taken) = escape_at(rest).map_or(('%', 1), |c| (c, 3));
        plain.push(c);
        rest = &rest[taken..];
    }
    plain.push_str(rest);
    plain
}

/// The character whose escape `text` begins with.
fn escape_at(text: &str) -> Option<char> {
    let head = text.get(..3)?;
    ESCAPES.iter().find(|(_, escaped)| escaped.eq_ignore_ascii_case(head)).map(|(plain, _)| *plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_split_at_commas_with_white_space_cwmp_374() {
        assert_eq!(split_list("a, b ,c"), ["a", "b", "c"]);
        assert_eq!(split_list(""), Vec::<String>::new());
        assert_eq!(split_list("a,,b"), ["a", "", "b"]);
        assert_eq!(split_list("one%20two,x%2cy,100%,%41"), ["one two", "x,y", "100%", "%41"]);
    }

    #[test]
    fn nested_lists_stay_whole_cwmp_374() {
        assert_eq!(split_nested_list("[1,2],[3,[4,5]], 6"), ["[1,2]", "[3,[4,5]]", "6"]);
        assert_eq!(split_nested_list("a],b"), ["a]", "b"]);
    }

    #[test]
    fn items_are_escaped_cwmp_374() {
        assert_eq!(join_list(["a b", "c,d", "http://x/%7Ey", "%2C"]), "a%20b,c%2Cd,http://x/%7Ey,%252C");
    }

    proptest! {
        #[test]
        fn joined_lists_split_into_the_same_items(items in prop::collection::vec("[a-c%2C05, \t\u{e9}]{1,8}", 0..6)) {
            prop_assert_eq!(split_list(&join_list(&items)), items);
        }

        #[test]
        fn splitting_takes_any_text(text in "[\\PC,]{0,40}") {
            let items = if text.trim_matches(WHITE_SPACE).is_empty() { 0 } else { text.matches(',').count() + 1 };
            prop_assert_eq!(split_list(&text).len(), items);
            prop_assert!(split_nested_list(&text).len() <= items);
        }
    }
}
