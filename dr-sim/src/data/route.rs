//! Which route of an HTTP API a request takes, and which mapping of a domain name.
//!
//! Source: AWS pages "Create routes for HTTP APIs" (a full match goes before a greedy one, that before `$default`; a
//! literal segment before a variable, a method before `ANY`) and "Use API mappings to connect API stages to a custom
//! domain name".

use crate::control::apigatewayv2::{Mapping, Route};

/// How well a route fits; the smallest goes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    /// 0: every segment by itself, 1: the rest is greedy, 2: `$default`.
    class: u8,
    /// 0: literal, 1: variable, 2: greedy.
    segments: Vec<u8>,
    /// The method is `ANY`.
    any_method: bool,
}

/// The route for a method and a path.
pub(super) fn choose<'a>(routes: impl Iterator<Item = &'a Route>, method: &str, path: &str) -> Option<&'a Route> {
    routes
        .filter_map(|route| Some((fit(&route.key, method, path)?, route)))
        .min_by(|a, b| a.0.cmp(&b.0))
        .map(|(_, r)| r)
}

fn fit(key: &str, method: &str, path: &str) -> Option<Fit> {
    if key == "$default" {
        return Some(Fit { class: 2, segments: Vec::new(), any_method: true });
    }
    let (for_method, pattern) = key.split_once(' ')?;
    if for_method != "ANY" && for_method != method {
        return None;
    }
    let mut given = segments(path).into_iter();
    let mut kinds = Vec::new();
    for wanted in segments(pattern) {
        if wanted.starts_with('{') && wanted.ends_with("+}") {
            // At least one segment, and not the empty one behind a final slash.
            given.next().filter(|segment| !segment.is_empty())?;
            kinds.push(2);
            return Some(Fit { class: 1, segments: kinds, any_method: for_method == "ANY" });
        }
        let segment = given.next()?;
        if wanted.starts_with('{') {
            if segment.is_empty() {
                return None;
            }
            kinds.push(1);
        } else if wanted == segment {
            kinds.push(0);
        } else {
            return None;
        }
    }
    given.next().is_none().then_some(Fit { class: 0, segments: kinds, any_method: for_method == "ANY" })
}

fn segments(path: &str) -> Vec<&str> {
    path.strip_prefix('/').unwrap_or(path).split('/').collect()
}

/// The mapping with the longest key that is a whole prefix of the path, and the path that is left.
pub(super) fn mapping<'a>(mappings: impl Iterator<Item = &'a Mapping>, path: &str) -> Option<(&'a Mapping, String)> {
    let rest = |key: &str| -> Option<String> {
        if key.is_empty() {
            return Some(path.to_owned());
        }
        let rest = path.strip_prefix('/')?.strip_prefix(key)?;
        match rest {
            "" => Some("/".to_owned()),
            rest => rest.starts_with('/').then(|| rest.to_owned()),
        }
    };
    let fitting = mappings.filter_map(|mapping| Some((mapping, rest(&mapping.key)?)));
    fitting.max_by_key(|(mapping, _)| mapping.key.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(key: &str) -> Route {
        Route {
            id: key.into(),
            key: key.into(),
            integration: None,
            authorization: "NONE".into(),
            authorizer: None,
            scopes: Vec::new(),
            operation_name: None,
        }
    }

    fn chosen(keys: &[&str], request: &str) -> Option<String> {
        let routes: Vec<Route> = keys.iter().map(|key| route(key)).collect();
        let (method, path) = request.split_once(' ').expect("a method and a path");
        choose(routes.iter(), method, path).map(|route| route.key.clone())
    }

    #[test]
    fn the_most_specific_route_wins() {
        let keys = ["$default", "ANY /{proxy+}", "GET /pets/{proxy+}", "GET /pets/dog/{id}", "GET /pets/dog/1"];
        for (request, expected) in [
            ("GET /pets/dog/1", "GET /pets/dog/1"),
            ("GET /pets/dog/2", "GET /pets/dog/{id}"),
            ("GET /pets/cat/1", "GET /pets/{proxy+}"),
            ("POST /test/5", "ANY /{proxy+}"),
            ("POST /pets/dog/1", "ANY /{proxy+}"),
            ("GET /", "$default"),
        ] {
            assert_eq!(chosen(&keys, request).as_deref(), Some(expected), "{request}");
        }
    }

    #[test]
    fn without_a_fitting_route_there_is_none() {
        assert_eq!(chosen(&["ANY /"], "GET /health"), None);
        assert_eq!(chosen(&["ANY /"], "GET /").as_deref(), Some("ANY /"));
        assert_eq!(chosen(&["GET /a"], "POST /a"), None);
        assert_eq!(chosen(&["GET /a/{id}"], "GET /a/"), None);
        assert_eq!(chosen(&["GET /a/{proxy+}"], "GET /a"), None);
    }

    #[test]
    fn a_method_goes_before_any_and_a_literal_before_a_variable() {
        assert_eq!(chosen(&["ANY /a", "GET /a"], "GET /a").as_deref(), Some("GET /a"));
        assert_eq!(chosen(&["GET /{x}", "ANY /a"], "GET /a").as_deref(), Some("ANY /a"));
        assert_eq!(chosen(&["ANY /{proxy+}", "GET /{proxy+}"], "GET /a/b").as_deref(), Some("GET /{proxy+}"));
    }

    #[test]
    fn the_longest_mapping_key_wins_by_whole_segments() {
        let mapping_of = |key: &str, stage: &str| Mapping {
            id: key.into(),
            key: key.into(),
            api: "api".into(),
            stage: stage.into(),
        };
        let mut all = vec![
            mapping_of("", "1"),
            mapping_of("orders/v1/items", "2"),
            mapping_of("orders/v2/items", "3"),
            mapping_of("orders/v2/items/categories", "4"),
        ];
        let stage = |all: &[Mapping], path: &str| mapping(all.iter(), path).map(|(m, rest)| (m.stage.clone(), rest));
        let is = |stage: &str, rest: &str| Some((stage.to_owned(), rest.to_owned()));
        assert_eq!(stage(&all, "/orders/v1/items/123"), is("2", "/123"));
        assert_eq!(stage(&all, "/orders/v2/items/categories/5"), is("4", "/5"));
        assert_eq!(stage(&all, "/orders/v2/items"), is("3", "/"));
        assert_eq!(stage(&all, "/orders/v2/itemsandmore"), is("1", "/orders/v2/itemsandmore"));
        assert_eq!(stage(&all, "/customers"), is("1", "/customers"));
        all.remove(0);
        assert_eq!(stage(&all, "/customers"), None);
    }
}
