//! Words and numbers as people read them.

use dr_core::Value;
use dr_core::value::Reference;

/// `1 step`, `3 steps`.
pub(crate) fn plural(n: usize, noun: &str) -> String {
    match (n, noun.split_once(" of ")) {
        (1, _) => format!("1 {noun}"),
        (n, Some((first, rest))) => format!("{n} {first}s of {rest}"),
        (n, None) => format!("{n} {noun}s"),
    }
}

/// A duration in seconds: `0.3 s`, `42 s`, `4 min 30 s`, `1 h 5 min`.
pub(crate) fn seconds(s: f64) -> String {
    if s < 9.95 {
        let text = format!("{s:.1}");
        return format!("{} s", text.strip_suffix(".0").unwrap_or(&text));
    }
    let whole = s.round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match (hours, minutes, seconds) {
        (0, 0, s) => format!("{s} s"),
        (0, m, 0) => format!("{m} min"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, 0, _) => format!("{h} h"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

/// How long a request took: `41 ms`, `1.3 s`, `30 s`.
pub(crate) fn moment(s: f64) -> String {
    if s < 0.9995 { format!("{:.0} ms", s * 1000.0) } else { seconds(s) }
}

/// Lines of at most `width` columns, broken between words. A longer word has a line of its own, so that an address can still
/// be copied.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let length = console::measure_text_width(word);
        match lines.last_mut() {
            Some(line) if used == 0 || used + 1 + length <= width => {
                line.push_str(if used == 0 { "" } else { " " });
                line.push_str(word);
                used += length + usize::from(used > 0);
            }
            _ => {
                lines.push(word.to_owned());
                used = length;
            }
        }
    }
    lines
}

/// Text that begins at column `lead`, on a terminal of so many columns: its own lines go on at column `indent`, and what has to be
/// broken goes on under the beginning of its line, or of the text.
pub(crate) fn hanging(text: &str, lead: usize, indent: usize, columns: Option<usize>) -> String {
    let mut lines = Vec::new();
    for (number, line) in text.split('\n').enumerate() {
        let own = line.len() - line.trim_start_matches(' ').len();
        let start = if number == 0 { lead } else { indent + own };
        if number > 0 {
            lines.push(" ".repeat(start));
        }
        let room = columns.map_or(usize::MAX, |columns| columns.saturating_sub(start).max(12));
        let broken = wrapped(&line[own..], room).join(&format!("\n{:start$}", ""));
        match lines.last_mut() {
            Some(last) => last.push_str(&broken),
            None => lines.push(broken),
        }
    }
    lines.join("\n")
}

/// At most `width` characters: what is too long loses its middle.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let len = text.chars().count();
    if len <= width {
        return text.to_owned();
    }
    if width <= 1 {
        return "…".chars().take(width).collect();
    }
    let head = width / 2;
    let tail = width - 1 - head;
    text.chars().take(head).chain(['…']).chain(text.chars().skip(len - tail)).collect()
}

/// A value as people read it: references as `${address.field}`, secrets masked.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Object(object) => {
            if let Some(Value::Array(pieces)) = object.get("$text") {
                return pieces.iter().map(shown).collect();
            }
            if let Some(Value::String(label)) = object.get("$secret") {
                return format!("(secret {label})");
            }
            if object.contains_key("$ref") {
                let mut text = String::new();
                dr_core::value::references(value, &mut |Reference { address, field, index }| {
                    let index = index.map(|index| format!("[{index}]")).unwrap_or_default();
                    text = format!("${{{address}.{field}{index}}}");
                });
                return text;
            }
            let entries = object.iter().map(|(key, item)| format!("{key}: {}", shown(item)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        plain => plain.to_string(),
    }
}

/// The side of a change: `(unset)`, `(known after create)`, or the value.
pub(crate) fn side(value: Option<&Value>) -> String {
    let Some(value) = value else { return "(unset)".to_owned() };
    let mut open = false;
    dr_core::value::references(value, &mut |_| open = true);
    if open { "(known after create)".to_owned() } else { shown(value) }
}

/// What people call a type: `aws.ec2.nat_gateway` is `NAT gateway`; of unknown types the last part.
pub(crate) fn type_words(type_name: &str) -> String {
    let known = match type_name.replace('-', "_").as_str() {
        "aws.acm.issued_certificate" => "issued certificate",
        "aws.apigatewayv2.domain" => "API domain",
        "aws.apigatewayv2.http_api" => "HTTP API",
        "aws.apigatewayv2.mapping" => "API mapping",
        "aws.apigatewayv2.vpc_link" => "VPC link",
        "aws.cloudfront.distribution" => "CloudFront",
        "aws.ec2.ami" => "machine image",
        "aws.ec2.elastic_ip" => "elastic IP",
        "aws.ec2.internet_gateway_attachment" => "gateway attachment",
        "aws.ec2.nat_gateway" => "NAT gateway",
        "aws.ec2.network_acl" => "network ACL",
        "aws.ec2.vpc" => "VPC",
        "aws.ec2.vpc_endpoint" => "VPC endpoint",
        "aws.ec2.zones" => "list of zones",
        "aws.iam.role_policy_attachment" => "policy attachment",
        "aws.route53.record_set" => "record",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let last = type_name.rsplit('.').next().unwrap_or(type_name);
    last.replace(['_', '-'], " ")
}

/// The end of a type name that fits beside an address: `ec2.subnet`.
pub(crate) fn short_type(type_name: &str) -> &str {
    type_name.strip_prefix("aws.").unwrap_or(type_name)
}

/// `2 policies`, `1 VPC`, `3 NAT gateways`.
pub(crate) fn noun(n: usize, words: &str) -> String {
    if n == 1 {
        return format!("1 {words}");
    }
    match words.strip_suffix('y') {
        Some(stem) if !words.ends_with("ay") && !words.ends_with("ey") => format!("{n} {stem}ies"),
        _ if words == "list of zones" => format!("{n} lists of zones"),
        _ if words.ends_with('s') => format!("{n} {words}es"),
        _ => format!("{n} {words}s"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        let cases =
            [(0.0, "0 s"), (0.34, "0.3 s"), (9.97, "10 s"), (42.4, "42 s"), (120.0, "2 min"), (270.0, "4 min 30 s")];
        for (s, text) in cases.into_iter().chain([(3600.0, "1 h"), (3900.0, "1 h 5 min")]) {
            assert_eq!(seconds(s), text);
        }
    }

    #[test]
    fn a_moment_is_not_rounded_to_nothing() {
        assert_eq!([0.041, 0.9996, 1.26, 30.0].map(moment), ["41 ms", "1 s", "1.3 s", "30 s"]);
    }

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrapped("a bc def", 5), ["a bc", "def"]);
        assert_eq!(wrapped("see https://a.example.com/ there", 9), ["see", "https://a.example.com/", "there"]);
        assert_eq!([wrapped("", 5), wrapped("a", usize::MAX)], [[""], ["a"]]);
    }

    #[test]
    fn what_is_broken_goes_on_under_its_beginning() {
        assert_eq!(hanging("a bc def ghi jkl", 9, 9, Some(21)), "a bc def ghi\n         jkl");
        assert_eq!(hanging("one\n  two and three", 7, 0, Some(14)), "one\n  two and\n  three");
        assert_eq!(hanging("one\n  two and three", 9, 9, None), "one\n           two and three");
    }

    #[test]
    fn what_is_too_long_loses_its_middle() {
        assert_eq!(fit("us-east-1/primary.vpc", 11), "us-ea…y.vpc");
        assert_eq!([fit("abc", 3), fit("abc", 2), fit("abc", 1), fit("abc", 0)], ["abc", "a…", "…", ""]);
    }

    #[test]
    fn values_read_as_in_a_plan() {
        let text = json!({"$text": ["https://", {"$ref": "global/api#names[1]"}, "/"]});
        assert_eq!(shown(&text), "https://${global/api.names[1]}/");
        assert_eq!(
            shown(&json!({"a": [1, "b"], "s": {"$secret": "db", "sha256": "00"}})),
            "{a: [1, b], s: (secret db)}"
        );
        assert_eq!((side(None), side(Some(&text))), ("(unset)".to_owned(), "(known after create)".to_owned()));
    }

    #[test]
    fn plurals_are_words() {
        assert_eq!(
            [noun(1, "VPC"), noun(2, "policy"), noun(3, "NAT gateway"), noun(2, "alias")],
            ["1 VPC", "2 policies", "3 NAT gateways", "2 aliases"]
        );
        assert_eq!(plural(2, "type of resources"), "2 types of resources");
    }
}
