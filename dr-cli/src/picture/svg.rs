//! How the picture looks: SVG with its own styles, light and dark, without scripts, fonts or anything from elsewhere.

use std::fmt::Write as _;

use super::escaped;
use super::layout::{BOLD, Boxed, Drawing, Framed, Label, Rect, Way, clipped, text_w};
use super::scene::{Card, Duty, Kind, Style};

/// What the picture is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// A file of its own.
    File,
    /// A part of a page, which has a background.
    Page,
}

/// The colours and types of everything. Media queries work in a file of its own as well.
const STYLE: &str = "
.dr{--bg:#f6f7fb;--panel:#ffffff;--line:#dfe3ec;--text:#172033;--dim:#667089;--chip:#eef1f7;--card:#ffffff;
--main:#2f6bff;--main-soft:#e8efff;--standby:#d9820b;--standby-soft:#fdf0dc;--plain:#b6bfd0;--shade:#17203314}
@media (prefers-color-scheme:dark){.dr{--bg:#0e131f;--panel:#151c2c;--line:#2a344a;--text:#e8ecf5;--dim:#97a3ba;--chip:#202a3f;
--card:#1b2437;--main:#7aa5ff;--main-soft:#1d2c4f;--standby:#f3b352;--standby-soft:#3a2c14;--plain:#4a566f;--shade:#00000055}}
.dr text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;fill:var(--text)}
.dr .bg{fill:var(--bg)}.dr .title{font-size:26px;font-weight:700;letter-spacing:-.3px}.dr .sub{font-size:14px;fill:var(--dim)}
.dr .panel{fill:var(--panel);stroke:var(--line)}.dr .region{font-size:18px;font-weight:650}
.dr .role{font-size:12px;fill:var(--dim)}.dr .pill{font-size:10.5px;font-weight:700;letter-spacing:.6px}
.dr .net{fill:none;stroke:var(--plain);stroke-dasharray:2 4;stroke-linecap:round}.dr .nettext{font-size:11px;fill:var(--dim)}
.dr .cluster{fill:none;stroke:var(--line)}.dr .ctitle{font-size:11.5px;font-weight:600;fill:var(--dim)}
.dr .chip{fill:var(--chip)}.dr .chiptext{font-size:11.5px}
.dr .card{fill:var(--card);stroke:var(--line);filter:drop-shadow(0 2px 5px var(--shade))}
.dr .main .card{stroke:var(--main);stroke-width:1.4}.dr .standby .card{stroke:var(--standby);stroke-width:1.4}
.dr .ct{font-size:13.5px;font-weight:650}.dr .cs{font-size:11.5px;fill:var(--dim)}
.dr .disc{fill:var(--chip)}.dr .main .disc{fill:var(--main-soft)}.dr .standby .disc{fill:var(--standby-soft)}
.dr .icon{fill:none;stroke:var(--dim);stroke-width:1.6;stroke-linecap:round;stroke-linejoin:round}
.dr .main .icon{stroke:var(--main)}.dr .standby .icon{stroke:var(--standby)}
.dr .way{fill:none;stroke-width:1.3;stroke:var(--plain)}.dr .way.main{stroke:var(--main);stroke-width:2.6}
.dr .way.standby{stroke:var(--standby);stroke-width:2.4;stroke-dasharray:7 5}
.dr .head{fill:var(--plain)}.dr .head.main{fill:var(--main)}.dr .head.standby{fill:var(--standby)}
.dr .label{font-size:13px;font-weight:650}.dr .label.main{fill:var(--main)}.dr .label.standby{fill:var(--standby)}
.dr .more{font-size:11.5px;fill:var(--dim)}.dr .heart{fill:var(--main)}.dr .heart.standby{fill:var(--standby)}
.dr .badge.main{fill:var(--main-soft)}.dr .badge.standby{fill:var(--standby-soft)}
.dr .pill.main{fill:var(--main)}.dr .pill.standby{fill:var(--standby)}.dr .legend{font-size:12px;fill:var(--dim)}
";

/// Draws.
pub(super) fn draw(drawing: &Drawing, purpose: Use) -> String {
    let (w, h) = (drawing.width.ceil(), drawing.height.ceil());
    let title = escaped(&drawing.title);
    // Writing to a String cannot fail.
    let mut out = String::new();
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"dr\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" \
         role=\"img\"><title>{title}</title><desc>{}</desc>\n<style>{STYLE}</style>\n<defs>",
        escaped(&drawing.subtitle)
    );
    for style in [Style::Main, Style::Standby, Style::Plain] {
        let class = class(style);
        let size = if style == Style::Plain { 6 } else { 9 };
        let _ = write!(
            out,
            "<marker id=\"dr-{class}\" viewBox=\"0 0 10 10\" refX=\"2\" refY=\"5\" markerWidth=\"{size}\" markerHeight=\"{size}\" \
             markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"head {class}\" d=\"M0 0L10 5L0 10z\"/></marker>"
        );
    }
    out.push_str("</defs>\n");
    if purpose == Use::File {
        let _ = writeln!(out, "<rect class=\"bg\" width=\"{w}\" height=\"{h}\"/>");
    }
    text(&mut out, "title", 32.0, 44.0, &drawing.title);
    text(&mut out, "sub", 32.0, 66.0, &drawing.subtitle);
    drawing.legend.iter().for_each(|(x, y, style, words)| legend(&mut out, *x, *y, *style, words));
    drawing.panels.iter().for_each(|framed| panel(&mut out, framed));
    for (rect, words) in &drawing.networks {
        rounded(&mut out, "net", *rect, 16.0);
        text(&mut out, "nettext", rect.x + 14.0, rect.bottom() - 10.0, words);
    }
    drawing.clusters.iter().for_each(|boxed| cluster(&mut out, boxed));
    drawing.ways.iter().for_each(|way| line(&mut out, way));
    for (rect, one) in &drawing.cards {
        card(&mut out, *rect, one, station_class(drawing, *rect, one));
    }
    drawing.ways.iter().for_each(|way| {
        if let Some(label) = &way.label {
            label_of(&mut out, label, way.style);
        }
    });
    out.push_str("</svg>\n");
    out
}

/// A station has the colour of the ways that lead to it.
fn station_class(drawing: &Drawing, rect: Rect, card: &Card) -> &'static str {
    if card.kind == Kind::Other {
        return "";
    }
    let inside =
        |outer: &Rect| outer.x <= rect.x && rect.x < outer.x + outer.w && outer.y <= rect.y && rect.y < outer.bottom();
    match drawing.panels.iter().find(|framed| inside(&framed.rect)) {
        Some(framed) if framed.duty == Some(Duty::Standby) => "standby",
        _ => "main",
    }
}

fn class(style: Style) -> &'static str {
    match style {
        Style::Main => "main",
        Style::Standby => "standby",
        Style::Plain => "plain",
    }
}

fn text(out: &mut String, class: &str, x: f64, y: f64, words: &str) {
    let _ = writeln!(out, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(words));
}

fn rounded(out: &mut String, class: &str, rect: Rect, radius: f64) {
    let Rect { x, y, w, h } = rect;
    let _ = writeln!(
        out,
        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"{radius}\"/>"
    );
}

fn legend(out: &mut String, x: f64, y: f64, style: Style, words: &str) {
    let class = class(style);
    let _ =
        writeln!(out, "<path class=\"way {class}\" d=\"M{x:.1} {:.1}h28\" marker-end=\"url(#dr-{class})\"/>", y - 4.0);
    text(out, "legend", x + 44.0, y, words);
}

fn panel(out: &mut String, framed: &Framed) {
    rounded(out, "panel", framed.rect, 18.0);
    let (x, y) = framed.head;
    text(out, "region", x, y, &framed.region);
    let mut after = x + text_w(&framed.region, 18.0) + 12.0;
    let badge = match framed.duty {
        Some(Duty::Primary) => Some(("PRIMARY", "main")),
        Some(Duty::Standby) => Some(("STANDBY", "standby")),
        Some(Duty::Shared) => Some(("ACTIVE", "main")),
        None => None,
    };
    if let Some((words, class)) = badge {
        let w = text_w(words, 10.5) + 26.0;
        rounded(out, &format!("badge {class}"), Rect { x: after, y: y - 15.0, w, h: 20.0 }, 10.0);
        let _ = writeln!(
            out,
            "<text class=\"pill {class}\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{words}</text>",
            after + w / 2.0,
            y - 1.0
        );
        after += w + 10.0;
    }
    if let Some(role) = &framed.role {
        text(out, "role", after, y, role);
    }
}

fn cluster(out: &mut String, boxed: &Boxed) {
    rounded(out, "cluster", boxed.rect, 12.0);
    if !boxed.title.is_empty() {
        text(
            out,
            "ctitle",
            boxed.rect.x + 13.0,
            boxed.rect.y + 19.0,
            &clipped(&boxed.title, 11.5, boxed.rect.w - 26.0),
        );
    }
    for (rect, words, addresses) in &boxed.chips {
        let _ = write!(out, "<g><title>{}</title>", escaped(&addresses.join(", ")));
        rounded(out, "chip", *rect, 7.0);
        text(out, "chiptext", rect.x + 8.0, rect.y + 15.5, words);
        out.push_str("</g>\n");
    }
}

fn line(out: &mut String, way: &Way) {
    let (class, path) = (class(way.style), &way.path);
    let _ = writeln!(out, "<path class=\"way {class}\" d=\"{path}\" marker-end=\"url(#dr-{class})\"/>");
}

fn label_of(out: &mut String, label: &Label, style: Style) {
    let Label { x, y, anchor, words, more } = label;
    let class = class(style);
    let _ = writeln!(
        out,
        "<text class=\"label {class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
        escaped(words)
    );
    if let Some(more) = more {
        let y = y + 17.0;
        let _ = writeln!(
            out,
            "<text class=\"more\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"><tspan class=\"heart {class}\">♥</tspan> \
             {}</text>",
            escaped(more)
        );
    }
}

fn card(out: &mut String, rect: Rect, card: &Card, class: &str) {
    let _ = write!(out, "<g class=\"{class}\"><title>{}</title>", escaped(&card.addresses.join(", ")));
    // What stands for several is a pile.
    if card.addresses.len() > 1 && matches!(card.kind, Kind::Server | Kind::Other) {
        rounded(out, "card", Rect { x: rect.x + 5.0, y: rect.y + 5.0, ..rect }, 13.0);
    }
    rounded(out, "card", rect, 13.0);
    let middle = rect.y + rect.h / 2.0;
    if card.kind == Kind::Other {
        let room = rect.w - 24.0;
        text(out, "ct", rect.x + 12.0, middle - 3.0, &clipped(&card.title, BOLD, room));
        text(out, "cs", rect.x + 12.0, middle + 13.0, &clipped(&card.subtitle, 11.5, room));
    } else {
        let _ = writeln!(out, "<circle class=\"disc\" cx=\"{:.1}\" cy=\"{middle:.1}\" r=\"18\"/>", rect.x + 29.0);
        let (ix, iy) = (rect.x + 19.0, middle - 10.0);
        let _ =
            writeln!(out, "<path class=\"icon\" transform=\"translate({ix:.1} {iy:.1})\" d=\"{}\"/>", icon(card.kind));
        let (x, room) = (rect.x + 56.0, rect.w - 66.0);
        let y = if card.subtitle.is_empty() { middle + 5.0 } else { middle - 3.0 };
        text(out, "ct", x, y, &clipped(&card.title, BOLD, room));
        if !card.subtitle.is_empty() {
            text(out, "cs", x, middle + 14.0, &clipped(&card.subtitle, 11.5, room));
        }
    }
    out.push_str("</g>\n");
}

/// Signs of 20 by 20, drawn with one line.
fn icon(kind: Kind) -> &'static str {
    match kind {
        Kind::Users => {
            "M7 9.5a3.2 3.2 0 1 0 0-6.4a3.2 3.2 0 0 0 0 6.4M1 17c0-3.2 2.6-5 6-5s6 1.8 6 5M13.6 9.3a2.8 2.8 0 0 0 0-5.6M15.2 12.4c2.3.5 3.8 2 3.8 4.6"
        }
        Kind::Name => {
            "M10 2a8 8 0 1 0 0 16a8 8 0 0 0 0-16M2 10h16M10 2c2.6 2.2 3.6 5 3.6 8s-1 5.800-3.600 8M10 2C7.400 4.200 6.400 7 6.400 10s1 5.800 3.600 8"
        }
        Kind::Edge => {
            "M5.500 15.500a4 4 0 0 1-.5-7.900a5.300 5.300 0 0 1 10.200-.4a4.200 4.200 0 0 1-.7 8.300zM10 8.500v4.500M8 11l2 2l2-2"
        }
        Kind::Choice => {
            "M3 10h4.500M7.500 10l6-5.500H17M7.500 10l6 5.500H17M14.800 2.300L17 4.500l-2.200 2.200M14.800 13.300L17 15.500l-2.200 2.200"
        }
        Kind::Domain => {
            "M3 4.500h14a1.500 1.500 0 0 1 1.500 1.500v8a1.500 1.500 0 0 1-1.500 1.500H3A1.500 1.500 0 0 1 1.500 14V6A1.500 1.500 0 0 1 3 4.500M1.500 8h17M4.200 6.200h.1M6.700 6.200h.1"
        }
        Kind::Api => {
            "M7 3.500c-2 0-2.500 1-2.500 2.500v1.500C4.500 9 3.800 10 2.500 10c1.300 0 2 1 2 2.500V14c0 1.500.5 2.500 2.500 2.500M13 3.500c2 0 2.500 1 2.500 2.500v1.500c0 1.500.7 2.500 2 2.500c-1.300 0-2 1-2 2.500V14c0 1.500-.5 2.500-2.500 2.500M8 10h.1M10 10h.1M12 10h.1"
        }
        Kind::Link => {
            "M8.300 11.700a3.500 3.500 0 0 0 5 0l3-3a3.500 3.500 0 0 0-5-5l-1.200 1.200M11.700 8.300a3.500 3.500 0 0 0-5 0l-3 3a3.500 3.500 0 0 0 5 5l1.200-1.200"
        }
        Kind::Balancer => {
            "M10 3.200a1.800 1.800 0 1 0 0 3.600a1.800 1.800 0 0 0 0-3.600M10 6.800v2.700M4 13.500v-1.500a2 2 0 0 1 2-2h8a2 2 0 0 1 2 2v1.500M10 9.500v4M4 13.500a1.600 1.600 0 1 0 0 3.200a1.600 1.600 0 0 0 0-3.200M10 13.500a1.600 1.600 0 1 0 0 3.200a1.600 1.600 0 0 0 0-3.200M16 13.500a1.600 1.600 0 1 0 0 3.200a1.600 1.600 0 0 0 0-3.200"
        }
        Kind::Server => {
            "M4 2.500h12a1.300 1.300 0 0 1 1.300 1.300v3.900A1.300 1.300 0 0 1 16 9H4a1.300 1.300 0 0 1-1.300-1.300V3.800A1.300 1.300 0 0 1 4 2.500M4 11h12a1.300 1.300 0 0 1 1.300 1.300v3.900a1.300 1.300 0 0 1-1.300 1.300H4a1.300 1.300 0 0 1-1.300-1.300v-3.900A1.300 1.300 0 0 1 4 11M6 5.800h.1M6 14.300h.1M9.500 5.800h5M9.500 14.300h5"
        }
        Kind::Other => "",
    }
}
