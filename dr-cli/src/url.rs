//! The parts of an `http` or `https` URL.

/// A URL as it is requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) tls: bool,
    /// A name or an address, without the brackets of IPv6.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// With the query, without the fragment.
    pub(crate) path: String,
}

impl Url {
    /// Takes a URL apart; `None` when it is none, or of another scheme.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let (authority, path) = rest.split_at(end_of_authority(rest));
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') && !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, default_port(tls)),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let odd = |c: char| c.is_ascii_control() || c == ' ';
        let good = !host.is_empty() && !host.contains(odd) && !path.contains(odd);
        good.then_some(Url { tls, host, port, path })
    }

    /// The `Host` header: the port only when it is not that of the scheme, an IPv6 address in brackets.
    #[cfg(any(feature = "aws", test))]
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == default_port(self.tls) { host } else { format!("{host}:{}", self.port) }
    }
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

fn end_of_authority(rest: &str) -> usize {
    rest.find(['/', '?', '#']).unwrap_or(rest.len())
}

/// `https` where no scheme is given.
pub(crate) fn with_scheme(url: &str) -> String {
    if url.contains("://") { url.to_owned() } else { format!("https://{url}") }
}

/// Puts a path where the URL has none of its own.
pub(crate) fn with_path(url: &str, path: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, own) = rest.split_at(end_of_authority(rest));
    match own {
        "" | "/" => format!("{scheme}://{authority}/{}", path.trim_start_matches('/')),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = Url::parse("https://API.example.com/a?b=c#d").unwrap();
        assert_eq!((url.tls, url.host.as_str(), url.port, url.path.as_str()), (true, "api.example.com", 443, "/a?b=c"));
        let url = Url::parse("http://[::1]:8080").unwrap();
        assert_eq!((url.host.as_str(), url.port, url.path.as_str()), ("::1", 8080, "/"));
        for bad in ["ftp://a", "example.com", "https://", "https://a/b c", "http://a:port/", "http://a b/"] {
            assert_eq!(Url::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_host_header_names_a_port_of_ones_own_and_keeps_the_brackets() {
        let cases = [
            ("https://a.example.com/", "a.example.com"),
            ("https://a.example.com:443/", "a.example.com"),
            ("http://a.example.com:443/", "a.example.com:443"),
            ("http://[::1]/", "[::1]"),
            ("http://[::1]:8080/", "[::1]:8080"),
        ];
        for (url, host) in cases {
            assert_eq!(Url::parse(url).unwrap().authority(), host, "{url}");
        }
    }

    #[test]
    fn a_path_is_put_where_there_is_none() {
        assert_eq!(with_path("https://a.example.com", "/health"), "https://a.example.com/health");
        assert_eq!(with_path("https://a.example.com/", "health"), "https://a.example.com/health");
        for own in ["https://a.example.com/v1", "https://a.example.com?v=1"] {
            assert_eq!(with_path(own, "/health"), own);
        }
    }
}
