"""One order with its lines as JSON text, built by PostgreSQL: what the raw limit answers and what COPY writes.

Moments are whole seconds in the benchmark's data. `steps` are the expressions for what may be done
to one's own and to others' orders, as JSON objects by status.
"""

from __future__ import annotations

ORDER_JSON = """
    json_build_object(
        'id', o.id, 'number', o.number, 'status', o.status,
        'allowed_transitions', (CASE WHEN o.placed_by_id = {user} THEN {own} ELSE {others} END) -> o.status,
        'currency', o.currency, 'total', o.total::text, 'date', o.date,
        'placed_at', to_char(o.placed_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'updated_at', to_char(o.updated_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'version', o.revision,
        'company', json_build_object('id', c.id, 'name', c.name),
        'office', json_build_object('id', f.id, 'name', f.name, 'city', f.city),
        'placed_by', json_build_object(
            'id', u.id, 'name', coalesce(nullif(trim(u.first_name || ' ' || u.last_name), ''), u.username)),
        'address', CASE WHEN a.id IS NOT NULL THEN json_build_object(
            'id', a.id, 'street', a.street, 'city', a.city, 'postcode', a.postcode, 'country', a.country,
            'active', a.active) END,
        'ship_to', json_build_object('street', o.ship_street, 'city', o.ship_city, 'postcode', o.ship_postcode,
            'country', o.ship_country),
        'lines', (
            SELECT coalesce(json_agg(json_build_object('position', l.position, 'sku', l.sku, 'name', l.name,
                'quantity', l.quantity, 'unit_price', l.unit_price::text, 'total', l.total::text)
                ORDER BY l.position), '[]')
            FROM orders_orderline l WHERE l.order_id = o.id)
    )::text
"""
RELATED = """
    JOIN businesses_company c ON c.id = o.company_id JOIN businesses_office f ON f.id = o.office_id
    JOIN businesses_user u ON u.id = o.placed_by_id
    LEFT JOIN businesses_address a ON a.user_id = u.id AND a.active
"""
