from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"

    def ready(self) -> None:
        from businesses import revisions
        from businesses.models import Address, User
        from orders.models import Order, OrderEvent, OrderLine

        revisions.show(Order, "orders")
        revisions.show(OrderLine, "orders__lines")
        revisions.show(OrderEvent, "orders__events")
        revisions.show(User, "orders__placed_by", "orders__events__actor")
        revisions.show(Address, "orders__placed_by__addresses")
