//! Which of the two dialects a client wants, by its `Accept` header.

use super::exposition::Dialect;

/// The dialect of a reply. OpenMetrics is for those who name it and like it no less than plain text: everybody else,
/// also who takes neither, gets the text that every tool reads.
pub(super) fn dialect(accept: &str) -> Dialect {
    let wanted = accept.split(',').map(Range::of);
    let (mut open, mut plain, mut any) = (0, None, 0);
    for Range { media, version, quality } in wanted {
        match media.as_str() {
            "application/openmetrics-text" if matches!(version, None | Some("1.0.0")) => open = open.max(quality),
            "text/plain" => plain = plain.max(Some(quality)),
            "text/*" | "*/*" => any = any.max(quality),
            _ => {}
        }
    }
    if open > 0 && open >= plain.unwrap_or(any) { Dialect::OpenMetrics } else { Dialect::Prometheus }
}

/// One of the things a client takes.
struct Range<'a> {
    media: String,
    version: Option<&'a str>,
    /// In thousandths.
    quality: u32,
}

impl<'a> Range<'a> {
    fn of(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let mut range =
            Self { media: parts.next().unwrap_or_default().to_ascii_lowercase(), version: None, quality: 1000 };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim().to_ascii_lowercase().as_str() {
                "version" => range.version = Some(value.trim().trim_matches('"')),
                "q" => range.quality = thousandths(value.trim()),
                _ => {}
            }
        }
        range
    }
}

/// A quality value (RFC 9110, 12.4.2); one that is none counts as nothing.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
fn thousandths(text: &str) -> u32 {
    text.parse::<f64>()
        .ok()
        .filter(|quality| (0.0..=1.0).contains(quality))
        .map_or(0, |quality| (quality * 1000.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_names_open_metrics_gets_it_unless_text_is_liked_better() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0;q=0.5,\
                            application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6, \
                            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for open in
            [prometheus_2, prometheus_3, "application/openmetrics-text", "Application/OpenMetrics-Text;q=1, */*"]
        {
            assert_eq!(dialect(open), Dialect::OpenMetrics, "{open}");
        }
        let none = ["", "*/*", "text/plain", "application/json", "application/openmetrics-text;version=0.0.1"];
        let less = ["application/openmetrics-text;q=0.2,text/plain;q=0.3", "application/openmetrics-text;q=0,*/*"];
        let odd = ["application/openmetrics-text;q=x", "application/openmetrics-text;q=2"];
        for text in none.into_iter().chain(less).chain(odd) {
            assert_eq!(dialect(text), Dialect::Prometheus, "{text}");
        }
    }
}
