from typing import Any

from django.urls import path

from businesses import views

READ: dict[str, Any] = {"get": "list"}
ONE: dict[str, Any] = {"get": "retrieve"}

urlpatterns = [
    path("companies", views.CompanyViewSet.as_view(READ), name="companies"),
    path("companies/<int:id>", views.CompanyViewSet.as_view(ONE), name="company"),
    path("offices", views.OfficeViewSet.as_view(READ), name="offices"),
    path("offices/<int:id>", views.OfficeViewSet.as_view(ONE), name="office"),
    path("addresses", views.AddressViewSet.as_view(READ | {"post": "create"}), name="addresses"),
    path("addresses/<int:id>", views.AddressViewSet.as_view(ONE | {"patch": "partial_update"}), name="address"),
    path("me", views.MeViewSet.as_view(ONE), name="me"),
    path("auth/login", views.LoginView.as_view(), name="login"),
    path("auth/logout", views.LogoutView.as_view(), name="logout"),
    path("auth/logout/all", views.LogoutEverywhereView.as_view(), name="logout-everywhere"),
]
