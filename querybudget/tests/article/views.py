from rest_framework.generics import ListAPIView
from rest_framework.pagination import PageNumberPagination

from querybudget.tests.article.models import Office, Order
from querybudget.tests.article.serializers import OfficeDetailSerializer, OrderSerializer


class Page(PageNumberPagination):
    page_size = 20


class Orders(ListAPIView):
    queryset = Order.objects.select_related("placed_by").order_by("number")
    serializer_class = OrderSerializer
    pagination_class = Page


class Offices(ListAPIView):
    queryset = Office.objects.order_by("pk")
    serializer_class = OfficeDetailSerializer
