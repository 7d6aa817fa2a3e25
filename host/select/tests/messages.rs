//! What a person reads who wrote a selection that makes no sense.

use cofferdam_config::{Texts, render};
use cofferdam_model::{Diagnostic, Span, TextId};
use cofferdam_select::{ASSETS, Expr, GraphBuilder, OPS, Problem, STEPS, Shape, Vocabulary, parse};

/// Reads, then evaluates on a small graph, and renders all that is wrong.
fn message(vocabulary: &'static Vocabulary, selection: &[&str]) -> String {
    let mut graph = if vocabulary.subject == "asset" {
        let mut graph = GraphBuilder::new(vocabulary, Shape::Keys);
        let keys = ["raw/orders", "raw/customers", "report"].map(|key| graph.node(key));
        graph.attribute(keys[0], "group", "raw");
        graph.edge(keys[0], keys[2]);
        graph
    } else {
        let mut graph = GraphBuilder::new(vocabulary, Shape::Levels);
        for key in ["split", "clean.parse", "clean.check[jan]", "report"] {
            graph.node(key);
        }
        graph
    };
    graph.knows("tag");
    let graph = graph.build();
    match parse(selection, vocabulary).and_then(|expr: Expr| expr.evaluate(&graph)) {
        Ok(selected) => panic!("{selection:?} selects {selected:?}"),
        Err(problems) => rendered(selection, &problems),
    }
}

fn rendered(selection: &[&str], problems: &[Problem]) -> String {
    let mut texts = Texts::default();
    let ids: Vec<TextId> = selection.iter().map(|text| texts.add("--select", text)).collect();
    let found: Vec<Diagnostic> = problems
        .iter()
        .map(|problem| {
            let start = ids.get(problem.place.clause).map(|id| Span { text: *id, range: 0..0 });
            problem.diagnostic(start.map(|start| problem.place.within(&start)).as_ref())
        })
        .collect();
    render(&texts, &found, false, 100)
}

macro_rules! messages {
    ($($name:ident: $vocabulary:expr, $selection:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(message(&$vocabulary, &$selection));
        }
    )*};
}

messages! {
    every_unknown_name_is_told_at_once: OPS, ["splt+", "nowhere", "clean.prase", "parse"];
    an_unknown_asset_is_told_with_a_near_one: ASSETS, ["key:\"raw/ordres\" or key:customers"];
    a_star_after_a_plus_is_explained: OPS, ["+*split"];
    two_stars_are_explained: OPS, ["**split"];
    a_number_in_an_old_clause_is_explained: OPS, ["2+report"];
    two_names_in_a_clause_are_explained: OPS, ["split report"];
    a_clause_without_a_name_is_marked: OPS, ["+"];
    a_character_that_no_name_has_is_marked: OPS, ["split,report"];
    a_bare_name_in_an_expression_is_explained: OPS, ["split or report"];
    a_quoted_name_alone_is_explained: ASSETS, ["\"report\""];
    two_pluses_in_an_expression_are_explained: OPS, ["++name:report"];
    two_pluses_after_a_value_are_explained: OPS, ["name:split++"];
    a_missing_value_is_marked: ASSETS, ["key:"];
    a_missing_operand_is_marked: ASSETS, ["key:report and"];
    a_missing_parenthesis_is_marked_where_it_opens: ASSETS, ["key:report or (key:a and (key:b)"];
    a_parenthesis_too_many_is_marked: ASSETS, ["key:report) or key:report"];
    an_open_quote_is_marked: ASSETS, ["key:\"report or key:a"];
    a_wrong_escape_is_marked: ASSETS, ["tag:\"a\\n\""];
    two_terms_without_a_word_between_are_marked: ASSETS, ["key:report group:raw"];
    an_unknown_attribute_is_told_with_those_there_are: STEPS, ["name:split or satus:failed"];
    an_unknown_value_is_told_with_those_there_are: ASSETS, ["is:extrenal"];
    an_attribute_that_is_never_absent_is_told: ASSETS, ["key:<null>"];
    an_attribute_that_the_graph_does_not_know_is_told: ASSETS, ["owner:ann and status:stale"];
    an_equal_sign_after_a_plain_value_is_explained: ASSETS, ["group:a=b"];
    a_function_without_parentheses_is_explained: ASSETS, ["sinks key:report"];
    more_levels_than_everything_make_no_sense: ASSETS, ["*+", "not *+"];
    nothing_selected_is_an_error_with_the_normal_form: ASSETS, ["group:raw and NOT key:raw/orders"];
    an_empty_clause_is_an_error: OPS, ["split", "  ", ""];
    an_empty_list_is_an_error: OPS, [];
    every_text_tells_its_first_mistake: OPS, ["+*a", "name:", "split"];
}

#[test]
fn what_is_too_large_is_told() {
    let long = "a".repeat(300_000);
    let deep = format!("{}key:a{}", "(".repeat(100), ")".repeat(100));
    let walks: Vec<String> = (0..1001).map(|n| format!("+key:a{n}")).collect();
    let nots = format!("{}key:a", "not ".repeat(100_000 / 4));
    let told = |texts: &[&str]| {
        let problems = parse(texts, &ASSETS).unwrap_err();
        format!("{}\nhint: {}", problems[0], problems[0].hint().unwrap())
    };
    let all = [told(&[&long]), told(&[&deep]), told(&[&nots]), told(&[&walks.join(" or ")])];
    insta::assert_snapshot!(all.join("\n\n"));
    let olds: Vec<String> = (0..1001).map(|n| format!("a{n}*")).collect();
    let olds: Vec<&str> = olds.iter().map(String::as_str).collect();
    assert_eq!(told(&olds), told(&[&walks.join(" or ")]));
}
