//! Images of arrays: one coloured cell for each entry, cells of one colour in a row joined.

use plotters::coord::Shift;
use plotters::prelude::{
    DrawingArea, IntoDrawingArea, IntoFont, PathElement, RGBColor, Rectangle, SVGBackend, ShapeStyle, Text, WHITE,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontTransform, TextStyle};

use super::Failure;
use super::plotting::INK;

/// Height of text in pixels (plotters divides by 1.24).
const TEXT: u32 = 18;

/// An image with its axes.
#[derive(Debug, Clone)]
pub struct Image<'a> {
    /// Line above the image.
    pub title: &'a str,
    /// Colours, row by row, top row first; rows of equal length.
    pub cells: Vec<Vec<RGBColor>>,
    /// Label of the columns.
    pub x_label: &'a str,
    /// Ticks of the columns: position in `[0, 1]`, text.
    pub x_ticks: Vec<(f64, String)>,
    /// Colours and names below the image.
    pub key: Vec<(RGBColor, String)>,
}

/// Images side by side that share their rows, with a label and ticks (position in `[0, 1]` from the top,
/// text) for the rows.
pub fn figure(
    size: (u32, u32),
    y_label: &str,
    y_ticks: &[(f64, String)],
    images: &[Image<'_>],
) -> Result<String, Failure> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        let (left, rest) = root.split_horizontally(84);
        let (top, bottom) = (44, size.1 as i32 - 96);
        let place = |t: f64| top + (t * f64::from(bottom - top)) as i32;
        for (t, text) in y_ticks {
            left.draw(&Text::new(text.as_str(), (74, place(*t)), style(HPos::Right, VPos::Center)))?;
            left.draw(&PathElement::new(vec![(78, place(*t)), (84, place(*t))], INK.stroke_width(1)))?;
        }
        let turned = style(HPos::Center, VPos::Center).transform(FontTransform::Rotate270);
        left.draw(&Text::new(y_label, (18, (top + bottom) / 2), turned))?;
        for (area, image) in rest.split_evenly((1, images.len().max(1))).iter().zip(images) {
            draw(area, image, top, bottom)?;
        }
        root.present()?;
    }
    // Cells are neighbours: without this, viewers leave fine seams between them.
    Ok(svg.replacen("<svg ", "<svg shape-rendering=\"crispEdges\" ", 1))
}

fn style(h: HPos, v: VPos) -> TextStyle<'static> {
    ("sans-serif", TEXT).into_font().color(&INK).pos(Pos::new(h, v))
}

fn draw(area: &DrawingArea<SVGBackend<'_>, Shift>, image: &Image<'_>, top: i32, bottom: i32) -> Result<(), Failure> {
    let (width, _) = area.dim_in_pixel();
    let (left, right) = (0, width as i32 - 28);
    let centre = (left + right) / 2;
    let column = |i: usize, of: usize| left + (i as f64 / of as f64 * f64::from(right - left)) as i32;
    let row = |i: usize| top + (i as f64 / image.cells.len() as f64 * f64::from(bottom - top)) as i32;
    for (i, cells) in image.cells.iter().enumerate() {
        let mut first = 0;
        for run in cells.chunk_by(|a, b| a == b) {
            let corners = [(column(first, cells.len()), row(i)), (column(first + run.len(), cells.len()), row(i + 1))];
            first += run.len();
            if run[0] != WHITE {
                area.draw(&Rectangle::new(corners, run[0].filled()))?;
            }
        }
    }
    let frame = ShapeStyle { color: INK.to_rgba(), filled: false, stroke_width: 1 };
    area.draw(&Rectangle::new([(left, top), (right, bottom)], frame))?;
    area.draw(&Text::new(image.title, (centre, 22), style(HPos::Center, VPos::Center)))?;
    area.draw(&Text::new(image.x_label, (centre, bottom + 44), style(HPos::Center, VPos::Center)))?;
    for (t, text) in &image.x_ticks {
        let x = left + (t * f64::from(right - left)) as i32;
        area.draw(&PathElement::new(vec![(x, bottom), (x, bottom + 6)], frame))?;
        area.draw(&Text::new(text.as_str(), (x, bottom + 20), style(HPos::Center, VPos::Center)))?;
    }
    // The key, evenly spaced below.
    for (i, (colour, text)) in image.key.iter().enumerate() {
        let x = left + column(i, image.key.len());
        let square = [(x, bottom + 66), (x + 16, bottom + 82)];
        area.draw(&Rectangle::new(square, colour.filled()))?;
        area.draw(&Rectangle::new(square, frame))?;
        area.draw(&Text::new(text.as_str(), (x + 22, bottom + 74), style(HPos::Left, VPos::Center)))?;
    }
    Ok(())
}
