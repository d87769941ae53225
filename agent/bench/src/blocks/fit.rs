//! The line through points by least squares.

/// A line, and how well it fits.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What y grows by for each x.
    pub slope: f64,
    /// What y is where x is 0.
    pub intercept: f64,
    /// How far each y lies above the line.
    pub residuals: Vec<f64>,
    /// The part of the spread of y that the line explains.
    pub r_squared: f64,
}

impl Line {
    /// Fits it; `None` where there are not two points of different x.
    #[must_use]
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        let mean =
            |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        let both: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
        if points.is_empty() || spread <= 0.0 {
            return None;
        }
        let slope = both / spread;
        let intercept = y - slope * x;
        let residuals: Vec<f64> =
            points.iter().map(|point| point.1 - intercept - slope * point.0).collect();
        let left: f64 = residuals.iter().map(|residual| residual.powi(2)).sum();
        let all: f64 = points.iter().map(|point| (point.1 - y).powi(2)).sum();
        let r_squared = if all > 0.0 { 1.0 - left / all } else { 1.0 };
        Some(Self { slope, intercept, residuals, r_squared })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_again_and_a_known_fit_is_right() {
        let exact = Line::through(&[(1.0, 13.0), (8.0, 83.0), (17.0, 173.0)]).unwrap();
        assert!((exact.slope - 10.0).abs() < 1e-9 && (exact.intercept - 3.0).abs() < 1e-9);
        assert!((exact.r_squared - 1.0).abs() < 1e-12);
        // By hand: slope 1/2, intercept 2/3, residuals -1/6, 1/3, -1/6; R² = 3/4.
        let known = Line::through(&[(1.0, 1.0), (2.0, 2.0), (3.0, 2.0)]).unwrap();
        assert!((known.slope - 0.5).abs() < 1e-9 && (known.r_squared - 0.75).abs() < 1e-9);
        assert!((known.residuals[1] - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn one_size_has_no_line() {
        assert_eq!(Line::through(&[]), None);
        assert_eq!(Line::through(&[(8.0, 1.0), (8.0, 2.0)]), None);
    }
}
