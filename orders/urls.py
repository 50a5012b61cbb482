from typing import Any

from django.urls import path

from orders import views

READ: dict[str, Any] = {"get": "list"}
ONE: dict[str, Any] = {"get": "retrieve"}

urlpatterns = [
    path("orders", views.OrderViewSet.as_view(READ | {"post": "create"}), name="orders"),
    path("orders/export", views.OrderExportViewSet.as_view({"get": "export"}), name="orders-export"),
    path("orders/summary", views.OrderViewSet.as_view({"get": "summary"}), name="orders-summary"),
    path("orders/<int:id>", views.OrderViewSet.as_view(ONE | {"patch": "partial_update"}), name="order"),
    path("orders/<int:id>/transitions", views.OrderViewSet.as_view({"post": "transition"}), name="transitions"),
    path("orders/<int:id>/events", views.OrderEventViewSet.as_view(READ), name="events"),
    path("products", views.ProductViewSet.as_view(READ), name="products"),
    path("products/<int:id>", views.ProductViewSet.as_view(ONE), name="product"),
]
