def test_an_order_is_its_customers_alone(client, alice, bob):
    order = client.post("/orders", json={"note": "gift"}, headers=alice).json()
    assert client.get(f"/orders/{order['id']}", headers=alice).json() == order
    for method, path in (
        ("GET", f"/orders/{order['id']}"),
        ("PATCH", f"/orders/{order['id']}"),
        ("DELETE", f"/orders/{order['id']}"),
        ("GET", f"/orders/{order['id']}/items"),
        ("GET", f"/orders/{order['id']}/packing-slip"),
    ):
        json = {"note": "mine"} if method == "PATCH" else None
        assert client.request(method, path, json=json, headers=bob).status_code == 404
    assert client.post(
        "/orders/bulk-delete", json={"ids": [order["id"]]}, headers=bob
    ).json() == {"deleted": 0}


def test_customers_do_not_write_the_catalogue(client, alice):
    product = {"sku": "A-1", "name": "Chair", "price": "10.00"}
    assert client.post("/products", json=product, headers=alice).status_code == 403
    assert client.get("/products").json() == []


def test_admin_pages_are_closed(client, alice):
    assert client.get("/admin/stats").status_code == 401
    assert client.get("/admin/stats", headers=alice).status_code == 403


def test_only_pages_of_this_site_follow_a_login(client, alice):
    for next, location in (
        ("/orders", "/orders"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
    ):
        answer = client.get(
            "/auth/after-login", params={"next": next}, headers=alice, follow_redirects=False
        )
        assert answer.headers["location"] == location


def test_documents_are_their_owners(client, alice, bob):
    file = {"file": ("a.txt", b"mine")}
    made = client.post("/documents", data={"title": "A"}, files=file, headers=alice).json()
    assert client.get(f"/documents/{made['id']}/file", headers=alice).content == b"mine"
    assert client.get(f"/documents/{made['id']}/file", headers=bob).status_code == 404
