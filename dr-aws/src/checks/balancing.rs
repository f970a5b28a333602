//! Load balancers: which rule takes a request, and what counts as healthy.

use dr_core::{Node, Value};

use super::Found;
use super::view::View;

/// Whether a pattern of a listener rule takes a text: `*` is any number of characters, `?` is one.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html>
pub(super) fn takes(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // Where the last star stood, and how much of the text it has taken.
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// Whether all that one list of patterns takes is taken by another; an empty list takes everything.
fn wider(one: &Value, other: &Value) -> bool {
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let (one, other) = (list(one), list(other));
    // A pattern that takes the other pattern as a text takes all that it takes: a star stands for itself too. A `?` does not
    // take a star's other texts.
    let covers = |wide: &String, narrow: &String| wide == narrow || !wide.contains('?') && takes(wide, narrow);
    one.is_empty() || !other.is_empty() && other.iter().all(|narrow| one.iter().any(|wide| covers(wide, narrow)))
}

/// Two rules of a listener cannot have one priority.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html>
pub(super) fn rule_priority_twice(view: View<'_>, found: &mut Found) {
    let rules: Vec<&Node> = view.of("aws.elbv2.listener_rule").collect();
    for (at, rule) in rules.iter().enumerate() {
        let place =
            |rule: &Node| (rule.region.clone(), rule.inputs["listener"].clone(), rule.inputs["priority"].clone());
        if let Some(first) = rules[..at].iter().find(|first| place(first) == place(rule)) {
            let problem =
                format!("{} has the priority {} on the same listener", first.address, rule.inputs["priority"]);
            found.add(rule, problem, "give one of them another number");
        }
    }
}

/// A rule behind a broader one with a lower number is never asked.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-listeners.html>
pub(super) fn rule_shadowed(view: View<'_>, found: &mut Found) {
    for listener in view.of("aws.elbv2.listener") {
        let rules = view.rules(listener);
        for (at, rule) in rules.iter().enumerate() {
            let broader = |first: &&&Node| {
                wider(&first.inputs["hosts"], &rule.inputs["hosts"])
                    && wider(&first.inputs["paths"], &rule.inputs["paths"])
            };
            if let Some(first) = rules[..at].iter().find(broader) {
                let problem = format!("it is never asked: {} takes all of its requests first", first.address);
                found.add(rule, problem, "give it the lower number");
            }
        }
    }
}

/// A target that answers 404 is not healthy; and when all are unhealthy, the load balancer sends to all of them.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html>
pub(super) fn hc_vs_probe(view: View<'_>, found: &mut Found) {
    for group in view.of("aws.elbv2.target_group") {
        let matcher = text_of(&group.inputs["health"]["matcher"]);
        let all_client_errors = matcher.split(',').filter_map(|range| range.split_once('-')).any(|(from, to)| {
            let number = |text: &str| text.trim().parse::<u16>().unwrap_or_default();
            number(from) <= 400 && number(to) >= 499
        });
        if all_client_errors {
            let problem = format!("its targets count as healthy when they answer {matcher}, errors included");
            found.add(group, problem, "match `200`, or what the path really answers");
        }
    }
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns_take_what_elb_says() {
        for (pattern, text, expect) in [
            ("/img/*", "/img/a/b", true),
            ("/img/*", "/img", false),
            ("*", "", true),
            ("/a?c", "/abc", true),
            ("/a?c", "/ac", false),
            ("*/c*", "/a/b/c/d", true),
            ("/*x", "/abx", true),
            ("/*x", "/abxy", false),
        ] {
            assert_eq!(takes(pattern, text), expect, "{pattern} {text}");
        }
        assert!(wider(&json!([]), &json!(["/a"])) && wider(&json!(["/api/*"]), &json!(["/api/v1/*"])));
        assert!(!wider(&json!(["/api/v1/*"]), &json!(["/api/*"])) && !wider(&json!(["/a"]), &json!([])));
    }
}
