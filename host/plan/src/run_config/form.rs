//! What a JSON Schema means as config: one of the kinds that people know (a table, one of several words, exactly
//! one of several keys …). Everything that walks config along its schema asks here.

use cofferdam_model::EnvKind;
use serde_json::Value;

use crate::schema::Schema;

/// How deep it is looked for something required: a recursive schema ends somewhere.
const REQUIRED_DEPTH_MAX: usize = 8;
/// Fields that a form in words lists, and how deep.
const FIELDS_SHOWN_MAX: usize = 12;
const SHOWN_DEPTH_MAX: usize = 3;

/// A place of a config.
#[derive(Clone)]
pub(super) struct Form<'a> {
    /// The schema without references and without the alternative that is null.
    pub(super) schema: Schema<'a>,
    pub(super) nullable: bool,
    pub(super) kind: Kind<'a>,
}

#[derive(Clone)]
pub(super) enum Kind<'a> {
    /// Anything, or something that only the validator understands.
    Any,
    Null,
    Truth,
    Integer,
    Number,
    Text,
    /// One of these values.
    Choice(Vec<&'a Value>),
    List,
    /// Fields of their own each, other fields, or both: shape, permissive shape, map.
    Table,
    /// A table with exactly one of these keys.
    Selector(Vec<(&'a str, Schema<'a>)>),
    /// Several forms.
    Union(Vec<Form<'a>>),
}

/// A schema in a few words, such as `{width: integer, title?: text}`. `place` is a part of `root`, to whose
/// definitions it may refer.
pub fn in_words(root: &Value, place: &Value) -> String {
    Form::of(Schema::new(root).with(place)).words()
}

fn form_within(place: Schema<'_>, depth: usize) -> Form<'_> {
    let any = |schema, nullable| Form { schema, nullable, kind: Kind::Any };
    let Some(schema) = place.resolved().filter(|_| depth < REQUIRED_DEPTH_MAX) else {
        return any(place, true);
    };
    if let Some(all) = schema.alternatives() {
        let n_all = all.len();
        let rest: Vec<Schema<'_>> = all.into_iter().filter(|one| !one.is_null()).collect();
        let nullable = rest.len() < n_all;
        if let [only] = rest.as_slice() {
            let inner = form_within(*only, depth + 1);
            return Form { nullable: nullable || inner.nullable, ..inner };
        }
        let words: Option<Vec<&Value>> = rest.iter().map(|one| one.resolved()?.get("const")).collect();
        if let Some(words) = words.filter(|words| !words.is_empty()) {
            return Form { schema, nullable, kind: Kind::Choice(words) };
        }
        let fields: Option<Vec<_>> = rest.iter().map(|one| only_field(*one)).collect();
        if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
            return Form { schema, nullable, kind: Kind::Selector(fields) };
        }
        let forms: Vec<Form<'_>> = rest.into_iter().map(|one| form_within(one, depth + 1)).collect();
        let nullable = nullable || forms.iter().any(|form| form.nullable);
        return Form { schema, nullable, kind: Kind::Union(forms) };
    }
    if let Some(parts) = schema.list("allOf") {
        // What generators write to hang a description on a reference.
        return match parts.as_slice() {
            [only] if schema.get("properties").is_none() => form_within(*only, depth + 1),
            _ => any(schema, true),
        };
    }
    if let Some(words) = words(schema) {
        let nullable = words.iter().any(|word| word.is_null());
        let words = words.into_iter().filter(|word| !word.is_null()).collect();
        return Form { schema, nullable, kind: Kind::Choice(words) };
    }
    let (nullable, kind) = kind_by_type(schema);
    Form { schema, nullable, kind }
}

fn words(schema: Schema<'_>) -> Option<Vec<&Value>> {
    if let Some(word) = schema.get("const") {
        return Some(vec![word]);
    }
    Some(schema.get("enum")?.as_array()?.iter().collect())
}

fn kind_by_type(schema: Schema<'_>) -> (bool, Kind<'_>) {
    let mut types = schema.types();
    let named = !types.is_empty();
    let nullable = types.contains(&"null");
    types.retain(|name| *name != "null");
    let kind = match types.as_slice() {
        ["boolean"] => Kind::Truth,
        ["integer"] => Kind::Integer,
        ["number"] | ["integer", "number"] | ["number", "integer"] => Kind::Number,
        ["string"] => Kind::Text,
        ["array"] => Kind::List,
        ["object"] => match one_of_fields(schema) {
            Some(fields) => Kind::Selector(fields),
            None => Kind::Table,
        },
        [] if named => Kind::Null,
        [] if schema.get("properties").is_some() => Kind::Table,
        [] if schema.get("items").is_some() => Kind::List,
        _ => Kind::Any,
    };
    (nullable || !named, kind)
}

/// `minProperties` and `maxProperties` are one: the other way to write a selector.
fn one_of_fields(schema: Schema<'_>) -> Option<Vec<(&str, Schema<'_>)>> {
    let one = |keyword| schema.get(keyword).and_then(Value::as_u64) == Some(1);
    let properties = schema.properties().filter(|_| one("minProperties") && one("maxProperties"))?;
    Some(properties.iter().map(|(name, at)| (name.as_str(), schema.with(at))).collect())
}

/// A closed table whose only field is required: an alternative of a selector.
fn only_field(schema: Schema<'_>) -> Option<(&str, Schema<'_>)> {
    let schema = schema.resolved()?;
    let properties = schema.properties()?;
    let (name, at) = properties.iter().next().filter(|_| properties.len() == 1)?;
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    let required = schema.required().eq([name.as_str()]);
    // An alternative told from others by the value of its only field is no selector.
    let tag = at.get("const").is_some();
    (closed && required && !tag).then_some((name.as_str(), schema.with(at)))
}

impl<'a> Form<'a> {
    pub(super) fn of(place: Schema<'a>) -> Form<'a> {
        form_within(place, 0)
    }

    /// What a variable's text is read as, where one may stand for the value.
    pub(super) fn env_kind(&self) -> Option<EnvKind> {
        match &self.kind {
            Kind::Text => Some(EnvKind::Text),
            Kind::Integer => Some(EnvKind::Integer),
            Kind::Number => Some(EnvKind::Number),
            Kind::Truth => Some(EnvKind::Truth),
            Kind::Union(forms) => {
                let mut kinds = forms.iter().filter_map(Form::env_kind);
                let only = kinds.next().filter(|_| kinds.next().is_none())?;
                // A table of these fields may be meant.
                let table = forms.iter().any(|form| form.takes_field("env"));
                (!table).then_some(only)
            }
            _ => None,
        }
    }

    fn takes_field(&self, name: &str) -> bool {
        match &self.kind {
            Kind::Any => true,
            Kind::Selector(fields) => fields.iter().any(|(field, _)| *field == name),
            Kind::Table => {
                self.schema.property(name).is_some()
                    || self.schema.get("additionalProperties") != Some(&Value::Bool(false))
            }
            _ => false,
        }
    }

    /// A field that may be null is null unless it is given.
    pub(super) fn defaults_to_null(&self) -> bool {
        self.nullable && !matches!(self.kind, Kind::Any)
    }

    /// The alternative that a table is meant to be: the only table, or the only one whose tags fit.
    pub(super) fn meant(&self, has: impl Fn(&str, &Value) -> bool) -> Option<&Form<'a>> {
        let Kind::Union(forms) = &self.kind else { return Some(self) };
        let tables = || forms.iter().filter(|form| matches!(form.kind, Kind::Table | Kind::Selector(_)));
        let tagged = || {
            tables().filter(|form| {
                let properties = form.schema.properties().into_iter().flatten();
                let mut tags = properties
                    .filter_map(|(name, at)| Some((name, form.schema.with(at).resolved()?.get("const")?)));
                tags.all(|(name, word)| has(name, word))
            })
        };
        only(tables()).or_else(|| only(tagged()))
    }

    /// The alternative that a list is meant to be.
    pub(super) fn list(&self) -> Option<&Form<'a>> {
        match &self.kind {
            Kind::List => Some(self),
            Kind::Union(forms) => only(forms.iter().filter(|form| matches!(form.kind, Kind::List))),
            _ => None,
        }
    }

    /// The form in a few words: `{width: integer, title?: text}`.
    pub(super) fn words(&self) -> String {
        self.words_within(0)
    }

    fn words_within(&self, depth: usize) -> String {
        let text = match &self.kind {
            Kind::Any => "anything".to_owned(),
            Kind::Null => "null".to_owned(),
            Kind::Truth => "true or false".to_owned(),
            Kind::Integer => "integer".to_owned(),
            Kind::Number => "number".to_owned(),
            Kind::Text => "text".to_owned(),
            Kind::Choice(words) => {
                let words: Vec<String> =
                    words.iter().take(FIELDS_SHOWN_MAX).map(ToString::to_string).collect();
                words.join(" | ")
            }
            Kind::List => match self.schema.sub("items") {
                Some(items) if depth < SHOWN_DEPTH_MAX => {
                    format!("[{}]", Form::of(items).words_within(depth + 1))
                }
                _ => "[…]".to_owned(),
            },
            Kind::Table => self.fields_in_words(depth),
            Kind::Selector(fields) => {
                let one = |(name, at): &(&str, Schema<'_>)| {
                    if depth < SHOWN_DEPTH_MAX {
                        format!("{{{name}: {}}}", Form::of(*at).words_within(depth + 1))
                    } else {
                        format!("{{{name}: …}}")
                    }
                };
                fields.iter().take(FIELDS_SHOWN_MAX).map(one).collect::<Vec<_>>().join(" | ")
            }
            Kind::Union(forms) => {
                let forms = forms.iter().take(FIELDS_SHOWN_MAX);
                forms.map(|form| form.words_within(depth + 1)).collect::<Vec<_>>().join(" | ")
            }
        };
        let known = !matches!(self.kind, Kind::Any | Kind::Null);
        if self.nullable && known { format!("{text} | null") } else { text }
    }

    fn fields_in_words(&self, depth: usize) -> String {
        if depth >= SHOWN_DEPTH_MAX {
            return "{…}".to_owned();
        }
        let required: Vec<&str> = self.schema.required().collect();
        let properties = || self.schema.properties().into_iter().flatten();
        let mut fields: Vec<String> = properties()
            .take(FIELDS_SHOWN_MAX)
            .map(|(name, at)| {
                let place = self.schema.with(at);
                let needed = required.contains(&name.as_str()) && is_required(place);
                let mark = if needed { "" } else { "?" };
                format!("{name}{mark}: {}", Form::of(place).words_within(depth + 1))
            })
            .collect();
        let more = properties().count() > FIELDS_SHOWN_MAX;
        match self.schema.sub("additionalProperties") {
            _ if more => fields.push("…".to_owned()),
            Some(rest) if rest.is_never() => {}
            Some(rest) if fields.is_empty() => {
                fields.push(format!("KEY: {}", Form::of(rest).words_within(depth + 1)));
            }
            _ => fields.push("…".to_owned()),
        }
        format!("{{{}}}", fields.join(", "))
    }
}

fn only<'f, 'a>(mut all: impl Iterator<Item = &'f Form<'a>>) -> Option<&'f Form<'a>> {
    all.next().filter(|_| all.next().is_none())
}

/// The default of a field: its own, or that of what it refers to.
pub(super) fn default_of(place: Schema<'_>) -> Option<&Value> {
    place.get("default").or_else(|| place.resolved()?.get("default"))
}

/// What is said about a field: on the field itself, or on what it refers to.
pub(super) fn doc_of(place: Schema<'_>) -> Option<&str> {
    let doc = place.get("description").or_else(|| place.resolved()?.get("description"));
    doc.and_then(Value::as_str)
}

/// Never shown once it is given: it, or one of its alternatives, says so.
pub(super) fn is_secret(place: Schema<'_>) -> bool {
    let marked = |schema: Schema<'_>| schema.get("writeOnly") == Some(&Value::Bool(true));
    let Some(schema) = place.resolved() else { return marked(place) };
    let mut alternatives = schema.alternatives().into_iter().flatten().filter_map(Schema::resolved);
    marked(place) || marked(schema) || alternatives.any(marked)
}

/// The variable that a field would be read from, by its name: `api-token` from `API_TOKEN`.
pub(super) fn variable_name(field: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = field.chars().map(legal).collect();
    match name.chars().next() {
        None => "SECRET".to_owned(),
        Some(first) if first.is_ascii_alphabetic() => name,
        Some(_) => format!("SECRET_{name}"),
    }
}

/// A field that its table requires has to be given: there is no default, it may not be null and is not a table
/// of which all is optional.
pub(super) fn is_required(place: Schema<'_>) -> bool {
    default_of(place).is_none() && !Form::of(place).defaults_to_null() && !is_all_optional(place)
}

/// A table that may be empty: it is as good as given.
pub(super) fn is_all_optional(place: Schema<'_>) -> bool {
    all_optional_within(place, 0)
}

fn all_optional_within(place: Schema<'_>, depth: usize) -> bool {
    if depth > REQUIRED_DEPTH_MAX {
        return false;
    }
    let form = Form::of(place);
    let at_least = form.schema.get("minProperties").and_then(Value::as_u64).unwrap_or(0);
    let empty_fits = matches!(form.kind, Kind::Table) && !form.nullable && at_least == 0;
    empty_fits
        && form.schema.get("properties").is_some()
        && form.schema.required().all(|name| {
            let field = form.schema.property(name);
            field.is_some_and(|field| {
                default_of(field).is_some()
                    || Form::of(field).defaults_to_null()
                    || all_optional_within(field, depth + 1)
            })
        })
}
