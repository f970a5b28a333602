//! Where everything in the picture stands. Lengths are pixels at a width that is readable without zooming.

use super::scene::{Card, Cluster, Duty, Flow, Kind, Place, Scene, Style};

/// A picture with its places.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) title: String,
    pub(super) subtitle: String,
    pub(super) panels: Vec<Framed>,
    pub(super) networks: Vec<(Rect, String)>,
    pub(super) clusters: Vec<Boxed>,
    pub(super) cards: Vec<(Rect, Card)>,
    pub(super) ways: Vec<Way>,
    /// What the lines mean, with the place of the first.
    pub(super) legend: Vec<(f64, f64, Style, &'static str)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) w: f64,
    pub(super) h: f64,
}

impl Rect {
    fn cx(self) -> f64 {
        self.x + self.w / 2.0
    }

    fn cy(self) -> f64 {
        self.y + self.h / 2.0
    }

    pub(super) fn bottom(self) -> f64 {
        self.y + self.h
    }

    fn right(self) -> f64 {
        self.x + self.w
    }
}

/// A region's frame and its heading.
#[derive(Debug)]
pub(super) struct Framed {
    pub(super) rect: Rect,
    /// Where the heading begins.
    pub(super) head: (f64, f64),
    pub(super) region: String,
    pub(super) role: Option<String>,
    pub(super) duty: Option<Duty>,
}

/// A cluster with the places of its chips.
#[derive(Debug)]
pub(super) struct Boxed {
    pub(super) rect: Rect,
    pub(super) title: String,
    pub(super) chips: Vec<(Rect, String, Vec<String>)>,
}

/// A way as a path, with a label beside it.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) path: String,
    pub(super) style: Style,
    pub(super) label: Option<Label>,
}

#[derive(Debug)]
pub(super) struct Label {
    pub(super) x: f64,
    pub(super) y: f64,
    /// `start`, `middle`, `end`, as in SVG.
    pub(super) anchor: &'static str,
    pub(super) words: String,
    pub(super) more: Option<String>,
}

const MARGIN: f64 = 32.0;
const GAP: f64 = 24.0;
const WIDTH: f64 = 1200.0;
/// Above everything: title and subtitle.
const HEADER: f64 = 92.0;
const CARD_H: f64 = 58.0;
const CARD_W: f64 = 218.0;
/// Between two stations, for the arrow.
const STEP: f64 = 30.0;
const PAD: f64 = 20.0;
/// Between the names above and the regions below: room for the labels.
const FAN: f64 = 84.0;
const CHIP_H: f64 = 23.0;
/// The size of a title, with what bold letters add to their width.
pub(super) const BOLD: f64 = 13.5 * 1.1;
/// A cluster's heading.
const CLUSTER_HEAD: f64 = 30.0;

/// The width of a text in the picture's font, roughly; too much rather than too little.
pub(super) fn text_w(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '|' | '\'' | '!' => 0.3,
        '(' | ')' | '[' | ']' | ' ' | 't' | 'f' | 'r' | '/' | '-' => 0.39,
        'm' | 'w' | 'M' | 'W' | '@' => 0.92,
        c if c.is_ascii_uppercase() => 0.7,
        c if c.is_ascii() => 0.61,
        _ => 1.0,
    };
    text.chars().map(em).sum::<f64>() * size
}

/// A text that is not wider than this.
pub(super) fn clipped(text: &str, size: f64, width: f64) -> String {
    let mut n = text.chars().count();
    let mut out = text.to_owned();
    while n > 1 && text_w(&out, size) > width {
        n -= 1;
        out = crate::text::fit(text, n);
    }
    out
}

/// Gives everything its place.
pub(super) fn place(scene: &Scene) -> Drawing {
    let mut drawing = Drawing { title: scene.title.clone(), subtitle: scene.subtitle.clone(), ..Drawing::default() };
    if scene.requests {
        requests(scene, &mut drawing)
    } else {
        parts(scene, &mut drawing)
    }
    drawing
}

/// The cards of a place, by stage.
fn stages(scene: &Scene, place: Place) -> Vec<Vec<usize>> {
    let mut stages: Vec<Vec<usize>> = Vec::new();
    for (at, card) in scene.cards.iter().enumerate() {
        if card.place != place {
            continue;
        }
        match stages.last_mut().filter(|stage| scene.cards[stage[0]].kind == card.kind) {
            Some(stage) => stage.push(at),
            None => stages.push(vec![at]),
        }
    }
    stages
}

/// Stations above, regions side by side below.
fn requests(scene: &Scene, drawing: &mut Drawing) {
    let n = scene.panels.len();
    drawing.width = if n <= 2 { WIDTH } else { 2.0 * MARGIN + n as f64 * 480.0 + (n as f64 - 1.0) * GAP };
    let mut rects = vec![Rect::default(); scene.cards.len()];
    let band = around(scene, drawing, &mut rects);
    let panel_w = if n == 0 { 0.0 } else { (drawing.width - 2.0 * MARGIN - (n as f64 - 1.0) * GAP) / n as f64 };
    let labelled = scene.flows.iter().any(|flow| flow.label.is_some());
    // Ways to many regions run far to the side before they turn down to their labels.
    let fan = if labelled { FAN + if n > 2 { 24.0 } else { 0.0 } } else { STEP + PAD };
    let top = if n == 0 { band } else { band + fan };
    let mut tallest: f64 = 0.0;
    for at in 0..n {
        let frame = Rect { x: MARGIN + at as f64 * (panel_w + GAP), y: top, w: panel_w, h: 0.0 };
        // Of two regions the stations stand towards the middle, so that the ways to them are short.
        let side = match n {
            1 => Side::Middle,
            2 if at == 0 => Side::Right,
            _ => Side::Left,
        };
        tallest = tallest.max(panel(scene, drawing, &mut rects, at, frame, side));
    }
    for framed in &mut drawing.panels {
        framed.rect.h = tallest;
    }
    drawing.height = top + tallest + MARGIN;
    for flow in &scene.flows {
        let way = way(scene, &rects, flow, drawing.width);
        drawing.ways.push(way);
    }
    legend(scene, drawing);
    let cards = rects.into_iter().zip(&scene.cards).map(|(rect, card)| (rect, copy(card)));
    drawing.cards = cards.collect();
}

fn copy(card: &Card) -> Card {
    Card {
        kind: card.kind,
        place: card.place,
        title: card.title.clone(),
        subtitle: card.subtitle.clone(),
        addresses: card.addresses.clone(),
        level: card.level,
    }
}

/// The stations around the regions: names and edge in one row, the name with several answers in the middle below them. Returns
/// where they end.
fn around(scene: &Scene, drawing: &mut Drawing, rects: &mut [Rect]) -> f64 {
    let stages = stages(scene, Place::Around);
    let middle = drawing.width / 2.0;
    let (last, row): (Vec<_>, Vec<_>) =
        stages.into_iter().partition(|stage| scene.cards[stage[0]].kind == Kind::Choice);
    let (mut y, mut end) = (HEADER, HEADER);
    // The station before the choice stands above it, the others to its left.
    let mut right = middle + CARD_W / 2.0;
    for stage in row.iter().rev() {
        let titles = stage.iter().map(|&card| text_w(&scene.cards[card].title, BOLD) + 72.0).fold(0.0, f64::max);
        let w = match scene.cards[stage[0]].kind {
            Kind::Users => 112.0,
            // A name is worth its room.
            Kind::Name => titles.clamp(170.0, 272.0),
            _ => CARD_W,
        };
        let mut at_y = y;
        for &card in stage {
            let x = if row.len() == 1 { middle - w / 2.0 } else { right - w };
            rects[card] = Rect { x, y: at_y, w, h: CARD_H };
            at_y += CARD_H + 10.0;
        }
        end = end.max(at_y - 10.0);
        right -= w + STEP + 8.0;
    }
    if let Some(choices) = last.first() {
        y = end + STEP + 6.0;
        let m = choices.len() as f64;
        let total = m * CARD_W + (m - 1.0) * GAP;
        for (number, &card) in choices.iter().enumerate() {
            rects[card] = Rect { x: middle - total / 2.0 + number as f64 * (CARD_W + GAP), y, w: CARD_W, h: CARD_H };
        }
        end = y + CARD_H;
    }
    // What is counted stands to the right of all that.
    let used =
        rects.iter().zip(&scene.cards).filter(|(_, card)| card.place == Place::Around).map(|(rect, _)| rect.right());
    let x = used.fold(middle + CARD_W / 2.0, f64::max) + 40.0;
    let room = drawing.width - MARGIN - x;
    if !scene.around.is_empty() && room > 150.0 {
        let bottom = clusters(drawing, &scene.around, Rect { x, y: HEADER - 8.0, w: room, h: 0.0 });
        end = end.max(bottom);
    } else if !scene.around.is_empty() {
        end =
            clusters(drawing, &scene.around, Rect { x: MARGIN, y: end + GAP, w: drawing.width - 2.0 * MARGIN, h: 0.0 });
    }
    end
}

/// Where the stations stand in a region.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Middle,
    Right,
}

/// The inside of a region; returns its height.
fn panel(scene: &Scene, drawing: &mut Drawing, rects: &mut [Rect], at: usize, frame: Rect, side: Side) -> f64 {
    let panel = &scene.panels[at];
    let stages = stages(scene, Place::Panel(at));
    let widest = stages.iter().map(Vec::len).max().unwrap_or(0);
    // Several stations of one kind share the width, as long as their titles can be read.
    let column = match widest {
        0 => 0.0,
        1 => CARD_W,
        m => (m as f64 * 170.0).min(frame.w - 2.0 * PAD),
    };
    let below = widest > 1 && frame.w - column - 3.0 * PAD < 200.0;
    let x = match side {
        Side::Right => frame.right() - PAD - column,
        Side::Middle => frame.cx() - column / 2.0,
        Side::Left => frame.x + PAD,
    };
    let head = match (side, below || column == 0.0) {
        (_, true) | (Side::Right | Side::Middle, _) => (frame.x + PAD, frame.y + 34.0),
        (Side::Left, false) => (x + column + PAD, frame.y + 34.0),
    };
    let first = frame.y + if below { 64.0 } else { PAD };
    let mut y = first;
    let (mut inside, mut inside_top) = (false, y);
    for stage in &stages {
        let kind = scene.cards[stage[0]].kind;
        if kind >= Kind::Link && panel.network.is_some() && !inside {
            // The frame of the network needs room above its first station.
            y += 6.0;
            (inside, inside_top) = (true, y - 12.0);
        }
        let m = stage.len() as f64;
        let w =
            if stage.len() == 1 { column.min(CARD_W.max(column.min(CARD_W))) } else { (column - (m - 1.0) * 10.0) / m };
        let total = w * m + (m - 1.0) * 10.0;
        for (number, &card) in stage.iter().enumerate() {
            let x = x + (column - total) / 2.0 + number as f64 * (w + 10.0);
            rects[card] = Rect { x, y, w, h: CARD_H };
        }
        y += CARD_H + STEP;
    }
    let mut end = if stages.is_empty() { frame.y + 56.0 } else { y - STEP };
    if let (true, Some(network)) = (inside, &panel.network) {
        let rect = Rect { x: x - 10.0, y: inside_top, w: column + 20.0, h: end - inside_top + 30.0 };
        drawing.networks.push((rect, network.clone()));
        end = rect.bottom();
    }
    // What carries the stations stands beside them and, where there is more of it than of them, below them.
    let beside = |x: f64, right: f64| Rect { x, y: frame.y + 64.0, w: right - x, h: 0.0 };
    let under = Rect { x: x - 10.0, y: end + 14.0, w: column + 20.0, h: 0.0 };
    let (left, right) = (frame.x + PAD, frame.right() - PAD);
    let mut columns = match side {
        _ if column == 0.0 => vec![Rect { x: left, y: frame.y + 56.0, w: right - left, h: 0.0 }],
        _ if below => vec![Rect { x: left, y: end + GAP, w: right - left, h: 0.0 }],
        Side::Right => vec![beside(left, under.x - 16.0), under],
        Side::Left => vec![beside(under.right() + 16.0, right), under],
        Side::Middle => vec![beside(left, under.x - 16.0), beside(under.right() + 16.0, right), under],
    };
    let mut bottom: f64 = 0.0;
    for cluster in &panel.clusters {
        let shortest = columns.iter_mut().min_by(|a, b| a.y.total_cmp(&b.y));
        if let Some(room) = shortest {
            let y = clusters(drawing, std::slice::from_ref(cluster), *room);
            bottom = bottom.max(y);
            room.y = y + 10.0;
        }
    }
    let (region, role, duty) = (panel.region.clone(), panel.role.clone(), panel.duty);
    drawing.panels.push(Framed { rect: frame, head, region, role, duty });
    end.max(bottom) + PAD - frame.y
}

/// Puts clusters below each other, their chips in lines; returns where they end.
fn clusters(drawing: &mut Drawing, clusters: &[Cluster], room: Rect) -> f64 {
    let mut y = room.y;
    for cluster in clusters {
        let titled = !cluster.title.is_empty();
        let (mut cx, mut cy) = (room.x + 12.0, y + if titled { CLUSTER_HEAD } else { 12.0 });
        let mut chips = Vec::new();
        for (words, addresses) in &cluster.chips {
            let words = clipped(words, 11.5, room.w - 44.0);
            let w = text_w(&words, 11.5) + 16.0;
            if cx + w > room.right() - 12.0 && cx > room.x + 12.0 {
                (cx, cy) = (room.x + 12.0, cy + CHIP_H + 6.0);
            }
            chips.push((Rect { x: cx, y: cy, w, h: CHIP_H }, words, addresses.clone()));
            cx += w + 6.0;
        }
        let rect = Rect { x: room.x, y, w: room.w, h: cy + CHIP_H + 12.0 - y };
        drawing.clusters.push(Boxed { rect, title: cluster.title.clone(), chips });
        y = rect.bottom() + 10.0;
    }
    if clusters.is_empty() { room.y } else { y - 10.0 }
}

/// The line of a way, and its label.
fn way(scene: &Scene, rects: &[Rect], flow: &Flow, width: f64) -> Way {
    let (from, to) = (rects[flow.from], rects[flow.to]);
    let level = (from.cy() - to.cy()).abs() < CARD_H / 2.0;
    let down = |x: f64, y: f64, tx: f64, ty: f64| {
        let bend = (ty - y) / 2.0;
        if (x - tx).abs() < 1.0 {
            format!("M{x:.1} {y:.1}L{tx:.1} {ty:.1}")
        } else {
            format!("M{x:.1} {y:.1}C{x:.1} {:.1} {tx:.1} {:.1} {tx:.1} {ty:.1}", y + bend, ty - bend)
        }
    };
    // The head of the arrow ends at the card.
    const HEAD: f64 = 7.0;
    let path = if level && from.x < to.x {
        format!("M{:.1} {:.1}L{:.1} {:.1}", from.right(), from.cy(), to.x - HEAD, to.cy())
    } else if from.y < to.y {
        // Ways to different sides leave the card apart from each other.
        let lean = (to.cx() - from.cx()).clamp(-1.0, 1.0);
        let apart = scene.flows.iter().filter(|other| other.from == flow.from).count() > 1;
        let x = if apart { from.cx() + lean * from.w.min(CARD_W) * 0.2 } else { from.cx() };
        let far = scene.panels.len() > 2 && flow.label.is_some() && (to.cx() - x).abs() > 40.0;
        match far {
            // Across the regions between, then down: a long curve would run through their labels.
            true => across(x, from.bottom(), to.cx(), to.y - HEAD, to.y - PAD - FAN),
            false => down(x, from.bottom(), to.cx(), to.y - HEAD),
        }
    } else {
        let (x, y) = (from.cx(), from.y);
        format!(
            "M{x:.1} {y:.1}C{x:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
            y - 30.0,
            to.cx(),
            to.bottom() + 40.0,
            to.cx(),
            to.bottom() + HEAD
        )
    };
    let label = flow.label.as_ref().map(|(words, more)| {
        // In the free strip above the region, wherever the way begins.
        let many = scene.panels.len() > 2;
        let (x, y) = (from.cx().midpoint(to.cx()), to.y - PAD - if many { 27.0 } else { FAN / 2.0 });
        let (x, anchor) = match to.cx() - from.cx() {
            _ if many => (to.cx() + 14.0, "start"),
            d if d < -1.0 => (x.min(to.cx()) - 6.0, "end"),
            d if d > 1.0 => (x.max(to.cx()) + 6.0, "start"),
            _ => (x + 16.0, "start"),
        };
        Label { x: x.clamp(MARGIN, width - MARGIN), y, anchor, words: words.clone(), more: more.clone() }
    });
    Way { path, style: flow.style, label }
}

/// Down, to the side at `mid`, and down, with round corners.
fn across(x: f64, y: f64, tx: f64, ty: f64, mid: f64) -> String {
    let r = if tx > x { 16.0 } else { -16.0 };
    let (before, after) = (mid - 16.0, mid + 16.0);
    format!(
        "M{x:.1} {y:.1}L{x:.1} {before:.1}Q{x:.1} {mid:.1} {:.1} {mid:.1}L{:.1} {mid:.1}Q{tx:.1} {mid:.1} {tx:.1} {after:.1}L{tx:.1} {ty:.1}",
        x + r,
        tx - r
    )
}

fn legend(scene: &Scene, drawing: &mut Drawing) {
    let has = |style: Style| scene.flows.iter().any(|flow| flow.style == style);
    let words: &[(Style, &'static str)] = match scene.requests {
        true => &[(Style::Main, "the way of a request"), (Style::Standby, "after a failover")],
        false => &[(Style::Plain, "needs"), (Style::Main, "the slowest chain")],
    };
    let mut x = drawing.width - MARGIN;
    for (style, words) in words.iter().rev().filter(|(style, _)| has(*style)) {
        x -= text_w(words, 12.0) + 44.0;
        drawing.legend.push((x, 44.0, *style, words));
        x -= 20.0;
    }
}

/// Parts of a program in rows by depth, a frame for each region.
fn parts(scene: &Scene, drawing: &mut Drawing) {
    const W: f64 = 176.0;
    const H: f64 = 50.0;
    const ROW: f64 = 46.0;
    let n = scene.panels.len().max(1) as f64;
    let has_around = scene.cards.iter().any(|card| card.place == Place::Around);
    drawing.width = WIDTH.max(2.0 * MARGIN + n * 420.0 + (n - 1.0) * GAP);
    let mut rects = vec![Rect::default(); scene.cards.len()];
    let fill = |rects: &mut Vec<Rect>, place: Place, room: Rect| -> f64 {
        let mut y = room.y;
        let levels = scene.cards.iter().filter(|card| card.place == place).map(|card| card.level).max().unwrap_or(0);
        let per_row = (((room.w + 14.0) / (W + 14.0)).floor() as usize).max(1);
        for level in 0..=levels {
            let cards: Vec<usize> = (0..scene.cards.len())
                .filter(|&at| scene.cards[at].place == place && scene.cards[at].level == level)
                .collect();
            for row in cards.chunks(per_row) {
                let total = row.len() as f64 * (W + 14.0) - 14.0;
                for (number, &card) in row.iter().enumerate() {
                    let x = room.x + (room.w - total) / 2.0 + number as f64 * (W + 14.0);
                    rects[card] = Rect { x, y, w: W, h: H };
                }
                y += H + ROW;
            }
        }
        y - ROW
    };
    let mut y = HEADER;
    if has_around {
        let rect = Rect { x: MARGIN, y, w: drawing.width - 2.0 * MARGIN, h: 0.0 };
        let room = Rect { x: rect.x + PAD, y: y + 56.0, w: rect.w - 2.0 * PAD, h: 0.0 };
        let end = fill(&mut rects, Place::Around, room) + PAD;
        drawing.panels.push(Framed {
            rect: Rect { h: end - y, ..rect },
            head: (rect.x + PAD, y + 34.0),
            region: "global".to_owned(),
            role: None,
            duty: None,
        });
        y = end + ROW;
    }
    let mut tallest: f64 = 0.0;
    let frame_w = (drawing.width - 2.0 * MARGIN - (n - 1.0) * GAP) / n;
    let first = drawing.panels.len();
    for (at, panel) in scene.panels.iter().enumerate() {
        let rect = Rect { x: MARGIN + at as f64 * (frame_w + GAP), y, w: frame_w, h: 0.0 };
        let room = Rect { x: rect.x + PAD, y: y + 56.0, w: rect.w - 2.0 * PAD, h: 0.0 };
        tallest = tallest.max(fill(&mut rects, Place::Panel(at), room) + PAD - y);
        drawing.panels.push(Framed {
            rect,
            head: (rect.x + PAD, y + 34.0),
            region: panel.region.clone(),
            role: panel.role.clone(),
            duty: panel.duty,
        });
    }
    for framed in &mut drawing.panels[first..] {
        framed.rect.h = tallest;
    }
    drawing.height = if scene.panels.is_empty() { y - ROW } else { y + tallest } + MARGIN;
    drawing.height = drawing.height.max(HEADER + MARGIN);
    // What is marked lies above what is not.
    let mut flows: Vec<&Flow> = scene.flows.iter().collect();
    flows.sort_by_key(|flow| flow.style != Style::Plain);
    drawing.ways = flows.into_iter().map(|flow| way(scene, &rects, flow, drawing.width)).collect();
    legend(scene, drawing);
    drawing.cards = rects.into_iter().zip(&scene.cards).map(|(rect, card)| (rect, copy(card))).collect();
}
