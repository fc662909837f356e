//! What a bench is to reach, and whether it did.

/// Figures beside their aims, in the order they were measured in.
#[derive(Debug, Default)]
pub struct Aims(Vec<Aim>);

#[derive(Debug)]
struct Aim {
    what: String,
    /// NaN when there is no figure that counts.
    reached: f64,
    bar: Bar,
}

#[derive(Clone, Copy, Debug)]
enum Bar {
    AtLeast(f64),
    AtMost(f64),
}

impl Aim {
    fn is_met(&self) -> bool {
        match self.bar {
            Bar::AtLeast(bar) => self.reached >= bar,
            Bar::AtMost(bar) => self.reached <= bar,
        }
    }

    fn line(&self) -> String {
        let bar = match self.bar {
            Bar::AtLeast(bar) => format!("at least {}", figure(bar)),
            Bar::AtMost(bar) => format!("at most {}", figure(bar)),
        };
        let reached = if self.reached.is_nan() { "-".to_owned() } else { figure(self.reached) };
        let verdict = if self.is_met() { "met" } else { "NOT MET" };
        format!("  {:<64} {reached:>8}   {bar:<15} {verdict}", self.what)
    }
}

/// Three digits that count, or all before the point.
fn figure(value: f64) -> String {
    if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

impl Aims {
    /// A figure that is to be so large; NaN if there is none that counts.
    pub fn at_least(&mut self, what: &str, bar: f64, reached: f64) {
        self.0.push(Aim { what: what.to_owned(), reached, bar: Bar::AtLeast(bar) });
    }

    /// A figure that is to be no larger; NaN if there is none that counts.
    pub fn at_most(&mut self, what: &str, bar: f64, reached: f64) {
        self.0.push(Aim { what: what.to_owned(), reached, bar: Bar::AtMost(bar) });
    }

    /// All of them, and how many are met, for people.
    pub fn print(&self) {
        println!("\nAims");
        for aim in &self.0 {
            println!("{}", aim.line());
        }
        let met = self.0.iter().filter(|aim| aim.is_met()).count();
        println!("{met} of {} met", self.0.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_judged_by_their_bars() {
        let mut aims = Aims::default();
        aims.at_least("calls", 300.0, 300.0);
        aims.at_least("calls", 300.0, 299.4);
        aims.at_most("ms", 8.0, 8.0);
        aims.at_most("ms", 8.0, 8.25);
        aims.at_most("ms", 8.0, f64::NAN);
        let met: Vec<_> = aims.0.iter().map(Aim::is_met).collect();
        assert_eq!(met, [true, false, true, false, false]);
        let words = |n: usize| aims.0[n].line().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(0), "calls 300 at least 300 met");
        assert_eq!(words(3), "ms 8.25 at most 8.00 NOT MET");
        assert_eq!(words(4), "ms - at most 8.00 NOT MET");
    }
}
