"""SQL texts that the ORM's compiler makes once, with places left for what each request brings.

A statement is compiled from a queryset that is filtered by `Conditions()`. What narrows the rows for one
request, and may be different SQL each time, is compiled from a queryset of its own by `conditions_of`
and put there; other values stand in `Slot`s. Values are bound, never written into a text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from sys import getsizeof
from typing import Any

from django.core.exceptions import EmptyResultSet, FullResultSet
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import BooleanField, Expression, F, Func, Model, QuerySet, Value
from django.db.models.expressions import OrderBy, RawSQL
from django.db.models.query import ModelIterable

from fast.memo import MOST, memoised
from fast.postgresql.planned import Planned, Template

Row = tuple[Any, ...]
MARK = "/* conditions */"


@dataclass(frozen=True, slots=True)
class Slot:
    """Stands for a parameter in a queryset; `Statement.bound` puts the value there."""

    name: str


HERE = Slot(MARK)


class Conditions(Expression):
    """The place of a statement's conditions."""

    conditional = True
    output_field = BooleanField()

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return MARK, (HERE,)


class FirstOfEach(Func):
    """That a row is among the first ones of several values of a column; with `queryset`, those of one value.

    An index in the order of the rows begins with that column. PostgreSQL does not merge what it finds there for each
    value: it walks the rows of all values, past however many that are somebody else's.
    """

    output_field = BooleanField()
    conditional = True
    VALUE = RawSQL('"value"."each"', ())

    def __init__(self, queryset: QuerySet[Any], values: Slot) -> None:
        super().__init__(F("pk"), Value(values))
        self.query: Any = queryset.query

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, tuple[Any, ...]]:  # type: ignore[override]
        (key, _), (values, listed) = map(compiler.compile, self.source_expressions)
        inside = self.query.get_compiler(connection=connection)
        some, parameters = inside.as_sql()
        quoted = connection.ops.quote_name
        names = {each.target.attname: quoted(alias or each.target.column) for each, _, alias in inside.select}
        order = ", ".join(f'"some".{ordered(term, names)}' for term in self.query.order_by)
        found = f'unnest({values}::bigint[]) AS "value"("each"), LATERAL ({some}) AS "some"'
        first = f"ORDER BY {order} LIMIT {self.query.high_mark}"
        sql = f'{key} IN (SELECT "some".{names[self.query.model._meta.pk.attname]} FROM {found} {first})'  # noqa: S608 names
        return sql, (*listed, *parameters)


def ordered(term: str | OrderBy, names: Mapping[str, str]) -> str:
    """A term of a queryset's order, which is one column's. `names`: what SQL calls the columns."""
    by: Any = OrderBy(F(term.lstrip("-")), descending=term[0] == "-") if isinstance(term, str) else term
    nulls = " NULLS FIRST" if by.nulls_first else " NULLS LAST" if by.nulls_last else ""
    return f"{names[by.expression.name]} {'DESC' if by.descending else 'ASC'}{nulls}"


@dataclass(frozen=True, slots=True, eq=False)
class Narrowing:
    """The conditions on a statement's rows, as SQL; `none` if no row can meet them."""

    sql: str
    parameters: tuple[Any, ...]
    none: bool = False
    number: int = field(default_factory=count().__next__, init=False)

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.sql) + size_of_values(self.parameters)


def size_of_values(values: Sequence[Any]) -> int:
    return sum(map(getsizeof, values)) + 8 * len(values)


@memoised(key=lambda narrowing: narrowing.number, size=lambda found, narrowing: found.size)
def checked(narrowing: Narrowing) -> Narrowing:
    """The same conditions, no index to be searched by them: for a row that is found by its key.

    What PostgreSQL knows of a company may be old, and reading all its rows then seems as good as the key
    (measured, 5,000 orders since the last ANALYZE: 1.2 ms for one of them, and 0.7 ms so).
    """
    return replace(narrowing, sql=f"({narrowing.sql}) IS TRUE")


ANY = Narrowing("1 = 1", ())  # SQLite knew no TRUE before 3.23


def conditions_of(queryset: QuerySet[Any]) -> Narrowing:
    """What narrows `queryset`, for statements on the same model; a subquery where it takes more than its own table."""
    query: Any = queryset.query
    query.get_initial_alias()
    joins = sum(count > 0 for count in query.alias_refcount.values()) > 1
    if joins or query.is_sliced or query.distinct or query.group_by or query.combinator or over(query.where):
        return conditions_of(QuerySet(queryset.model).filter(pk__in=queryset.values("pk")))
    compiler = query.get_compiler(queryset.db)
    try:
        sql, parameters = compiler.compile(query.where)
    except EmptyResultSet:
        return Narrowing("1 = 0", (), none=True)
    except FullResultSet:
        return ANY
    return Narrowing(f"({sql})", tuple(parameters))


def over(where: Any) -> bool:
    """Whether conditions ask for a window's function, which SQL has behind them."""
    return bool(where.contains_over_clause)


def is_plain(queryset: QuerySet[Any], model: type[Model]) -> bool:
    """Whether rows of `model` that meet its conditions are all that it gives, as they are."""
    own = queryset._iterable_class is not ModelIterable or type(queryset)._fetch_all is not QuerySet._fetch_all
    more = getattr(queryset, "_prefetch_related_lookups", ()) or queryset.query.extra
    return queryset.model is model and not own and not more


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A SELECT: its text before and behind the conditions, and the parameters of both parts."""

    head: str
    tail: str
    before: tuple[Any, ...]
    behind: tuple[Any, ...]
    convert: Callable[[list[Row]], Iterable[Row]] | None  # where the database has no type of the column's own
    number: int = field(default_factory=count().__next__, init=False)

    @classmethod
    def of(cls, queryset: QuerySet[Any]) -> Statement:
        """Compile `queryset`, which is filtered by `Conditions()`."""
        compiler: Any = queryset.query.get_compiler(DEFAULT_DB_ALIAS)
        sql, parameters = compiler.as_sql()
        head, tail = sql.split(MARK)
        at = parameters.index(HERE)
        converters = compiler.get_converters(expression for expression, *_ in compiler.select)
        convert = (lambda rows: map(tuple, compiler.apply_converters(rows, converters))) if converters else None
        return cls(head, tail, parameters[:at], parameters[at + 1 :], convert)

    def bound(self, narrowing: Narrowing, **values: Any) -> tuple[str, Planned]:
        """Text and parameters for a cursor; `values` are those of the slots."""
        template = template_of(self, narrowing)
        return template.sql, Planned(template, values)

    def rows(self, alias: str, narrowing: Narrowing, **values: Any) -> list[Row]:
        """All rows, through Django's cursor; no query where no row can match."""
        if narrowing.none:
            return []
        with connections[alias].cursor() as cursor:
            cursor.execute(*self.bound(narrowing, **values))
            rows = cursor.fetchall()
        return list(self.convert(rows)) if self.convert else rows

    def chunks(self, alias: str, narrowing: Narrowing, size: int, **values: Any) -> Iterator[Sequence[Row]]:
        """The rows, `size` at a time, through a server-side cursor. PostgreSQL only, where nothing is converted."""
        if narrowing.none:
            return
        with connections[alias].chunked_cursor() as cursor:
            sql, parameters = self.bound(narrowing, **values)
            cursor.execute(sql, list(parameters))
            while rows := cursor.fetchmany(size):
                yield rows


def size_of_template(found: Template, *_: Any) -> int:
    return 2 * len(found.sql) + size_of_values(found.parameters)  # once more where it is prepared


@memoised(
    most=2 * MOST,
    key=lambda statement, narrowing: (statement.number, narrowing.number),
    size=size_of_template,
)
def template_of(statement: Statement, narrowing: Narrowing) -> Template:
    """The two put together, once for these very objects."""
    parameters = (*statement.before, *narrowing.parameters, *statement.behind)
    slots = {place: each.name for place, each in enumerate(parameters) if type(each) is Slot}
    return Template(f"{statement.head}{narrowing.sql}{statement.tail}", parameters, slots)
