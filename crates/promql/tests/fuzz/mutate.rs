//! Texts made from others: pieces cut, doubled, moved between seeds and replaced by words of the language.

/// Makes inputs from seeds; the same seed number makes the same inputs.
pub struct Mutator {
    state: u64,
    seeds: Vec<String>,
    words: Vec<String>,
}

impl Mutator {
    pub fn new(seed: u64, seeds: Vec<String>) -> Self {
        let dictionary = include_str!("../../fuzz/promql.dict");
        let words = dictionary
            .lines()
            .filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'))
            .map(|word| word.replace("\\\"", "\"").replace("\\\\", "\\"))
            .chain(
                [
                    "(",
                    ")",
                    "{",
                    "}",
                    "[",
                    "]",
                    ",",
                    "\"",
                    "\n",
                    "#",
                    "@",
                    "-",
                    "99999999999999999999",
                    "1e309",
                ]
                .map(str::to_owned),
            )
            .collect();
        Self { state: seed.wrapping_mul(2).wrapping_add(1), seeds, words }
    }

    /// The generator of Marsaglia; good enough to choose places in a text.
    fn random(&mut self, below: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 33).unwrap_or(0) % below.max(1)
    }

    /// A place between two characters.
    fn place(&mut self, text: &str) -> usize {
        let at = self.random(text.len() + 1);
        (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0)
    }

    fn piece(&mut self, text: &str) -> (usize, usize) {
        let (a, b) = (self.place(text), self.place(text));
        (a.min(b), a.max(b))
    }

    /// The next input, of at most so many bytes.
    pub fn next(&mut self, most: usize) -> String {
        let at = self.random(self.seeds.len());
        let mut text = self.seeds[at].clone();
        for _ in 0..=self.random(6) {
            let at = self.place(&text);
            match self.random(7) {
                0 => {
                    let (from, to) = self.piece(&text);
                    text.replace_range(from..to, "");
                }
                1 => {
                    let (from, to) = self.piece(&text);
                    let copy = text[from..to].to_owned();
                    text.insert_str(at, &copy);
                }
                2 => {
                    let other = self.random(self.seeds.len());
                    let other = self.seeds[other].clone();
                    let (from, to) = self.piece(&other);
                    text.insert_str(at, &other[from..to]);
                }
                3 => {
                    // One whole seed takes the place of a bracketed part of another.
                    let other = self.random(self.seeds.len());
                    if let (Some(from), Some(to)) = (text.find('('), text.rfind(')'))
                        && from < to
                    {
                        text.replace_range(from + 1..to, &self.seeds[other]);
                    }
                }
                4 => {
                    let digits: Vec<usize> =
                        text.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| at).collect();
                    if !digits.is_empty() {
                        let at = digits[self.random(digits.len())];
                        let with = ["0", "9", "-1", "1e9", "0.5", "99999", "NaN"][self.random(7)];
                        text.replace_range(at..=at, with);
                    }
                }
                _ => {
                    let word = self.random(self.words.len());
                    let word = self.words[word].clone();
                    let (from, to) = self.piece(&text);
                    let replaced = self.random(2) == 0 && to - from < 12;
                    text.replace_range(from..if replaced { to } else { from }, &format!(" {word} "));
                }
            }
        }
        let cut = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(cut);
        text
    }
}

/// Queries that use each part of the language once, against the series of `checks::store`.
pub fn queries() -> Vec<String> {
    [
        "sum by (job) (rate(a_total[5m]))",
        "a_total{job=~\"x|y\",instance!=\"1\"} offset 1m @ start()",
        "increase(a_total[1m] anchored) / increase(a_total[1m] smoothed)",
        "b smoothed + on (job) group_left (version) some_info",
        "max_over_time((b * 2)[5m:30s] @ end() offset -1m)",
        "histogram_quantile(0.9, sum by (le) (rate(c_bucket[2m])))",
        "histogram_quantiles(h, \"q\", 0.1, 0.5, 0.9)",
        "histogram_fraction(-1, 2, h) or histogram_avg(h) or histogram_stddev(h)",
        "h </ 2 + h >/ 0.1",
        "sum(h) - avg by (job) (h)",
        "topk(2, b) and bottomk by (job) (1, b) unless limitk(1, b)",
        "limit_ratio(-0.5, a_total) or limit_ratio(0.5, a_total)",
        "quantile without (instance) (0.5, b) + ignoring (job) fill (0) vector(1)",
        "count_values(\"v\", mixed)",
        "label_replace(b, \"c\", \"$1-$2\", \"job\", \"(.)(.*)\")",
        "label_join(b, \"__name__\", \",\", \"job\", \"instance\")",
        "info(a_total, {__name__=~\".+_info\", version=~\".+\"})",
        "rate(a_total[max_of(1m, step() * 2) + 30s]) + min_of(1, 2)",
        "sort_by_label_desc(b, \"instance\", \"job\")",
        "absent_over_time(nothing{job=\"x\"}[5m]) or absent(b > 1e300)",
        "predict_linear(b[5m], 3600) or deriv(b[5m]) or double_exponential_smoothing(b[5m], 0.5, 0.1)",
        "quantile_over_time(0.3, b[5m]) or mad_over_time(b[5m]) or stdvar_over_time(b[5m])",
        "-b ^ 2 % 3 atan2 b == bool b",
        "{\"größe.µ\", \"a b\"!=\"\"} * 2",
        "timestamp(b) - time() + start_timestamp(a_total)",
        "clamp(b, -1, scalar(max(b))) or round(b, 0.3) or day_of_week(b)",
        "a_total + on (job) group_right (instance) fill_left (1) fill_right (2) some_info",
        "changes(mixed[5m]) or resets(h[5m]) or idelta(h[5m]) or irate(a_total[5m])",
        "\"text\\n\\u00e9\"",
        "b[5m] # comment",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Scripts that use each part of the language of scripts.
pub fn scripts() -> Vec<String> {
    [
        "load 5m\n  m{a=\"b\"} 0+10x10 _x3 stale 1\n  n 1-1x4 NaN Inf\n\neval instant at 50m rate(m[50m])\n  {a=\"b\"} 0.03\n",
        "load 15s\n  m@st -1sx3 _\n  m 1+1x4\n\neval range from 0 to 1m step 15s increase(m[1m])\n  expect no_warn\n  {} 1 2 3\n",
        "load 1m\n  h {{schema:1 sum:-0.3 count:3.1 z_bucket:1 z_bucket_w:0.1 buckets:[5 10 7] offset:-3 n_buckets:[4]}}+{{schema:1 count:1}}x5\n\neval instant at 5m histogram_quantile(0.5, h)\n  expect warn regex: x.*\n  {} 0.5\n",
        "load_with_nhcb 1m\n  x_bucket{le=\"1\"} 1+1x5\n  x_bucket{le=\"+Inf\"} 2+2x5\n  x_count 2+2x5\n  x_sum 3+3x5\n\neval_ordered instant at 3m sort(x)\n  x {{schema:-53 sum:12 count:8 custom_values:[1] buckets:[4 4] counter_reset_hint:gauge}}\n",
        "clear\neval_fail instant at 1m sum(\n  expected_fail_message x\n\neval instant at 1m \"a\"\n  expect string \"a\"\n\neval instant at 1m 1 + 1\n  2\n",
        "eval instant at 10m vector(1)[5m:1m]\n  expect range vector from 5m to 10m step 1m\n  {} 1x5\n\neval_warn range from -1m to 1m step 1m topk(NaN, m)\n  expect fail msg: Parameter value is NaN\n",
    ]
    .map(str::to_owned)
    .to_vec()
}
