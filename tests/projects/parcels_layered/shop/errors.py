class ShopError(Exception):
    status = 400
    message = "Something is wrong"


class ParcelNotFound(ShopError):
    status = 404
    message = "Parcel not found"


class ParcelNumberTaken(ShopError):
    status = 409
    message = "There is a parcel of that number"
