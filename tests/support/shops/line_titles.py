"""Titles of shops: products that sound like postage, gift cards, samples, tests or fees, and lines that are one."""

from __future__ import annotations

PRODUCTS = """
Gluten free gift hamper
Sugar free sample box of sweets
Dairy free gift selection
Fragrance free sample kit
Candle + free gift
Eau de Parfum 50 ml + free sample
Face cream with free sample
Buy 2 get free gift
Shaving set incl. free gift
Gift card holder
Gift card holder - leather
Gift Card Box
Gift card tin, red
Gift voucher envelopes
Gift certificate paper A4
E-Gift box
Wooden gift card display stand
Gift card printer labels
Presentkort 10-pack
Gift box
Gift wrap
Gift bag large
Floral gift tags
Google Cork Card Holder
Android Cardboard Sculpture
Thank you cards, pack of 10
Greeting card happy birthday
Carriage clock
Carriage bolts M8
Post card
Post box black
Fence post 90 cm
Posters
Ship in a bottle
Shipping box 30x20
Shipping labels 4x6
Shipping: labels 100 x 150
Shipping scale
Shipping tape
Postage stamps album
Postage scale 5 kg
Delivery truck toy
Special delivery: a novel
Express yourself notebook
Delivery
Free range eggs
Freight train set
Porto
Porto Tawny 10 Anos
Port wine
Kargo
Kargo pantolon
Cargo shorts
Dot
Dots
Tip
Tips
Tip top pencil
Filter tips
Deposit
M
D
L
S
Manual coffee grinder
Manual
Discount sofa
Tax calculator
Vat 69 Whisky
Donation box
Spendenbox Holz
Trinkgeldkasse
Pfandflaschen Sticker
Card game
Book of charges
Pregnancy test
Pregnancy test kit
Test strips
Test tube 10 ml
Test lead set
Test 3 in 1 pH meter
Test kit: chlorine
Testing probe
Drug test
Testa di moro
Latest hits
Schwangerschaftstest
Testo 175 Thermometer
Test de grossesse
Produit test de grossesse
Test de embarazo
Test di gravidanza
Test ciążowy
Do not buy this book
Do not ship sticker
Please do not enter sign
Probe
Proben
Probe thermometer
Teeproben Set
Cremeprobe Rose
Duftprobe 2 ml
Probetraining
Probierpaket Kaffee
Muster-Bettwäsche
Mustermesser
Stoffmuster Samt
Tee mit Gratisprobe
Creme + Warenprobe
Cremeset inkl. Gratisprobe
Gutscheinbox
Gutscheinbuch 2026
Gutschein Verpackung Holz
Geschenkkartenhalter
Geschenkkarton
Geschenkkarte Hülle
Versandtasche A4
Versandkarton 40x30
Versandkostenrechner
Lieferwagen Holz
Portokasse
Portemonnaie
Sampler of 12 teas
Sample rate converter
Sample pack for producers
Sampling pump
Example book
Swatch watch
Fabric swatch book
Cruelty-free gift box
Coffret cadeau
Porte-carte cadeau
Étui carte cadeau
Pochette cadeau
Boîte cadeau 3 cadeaux offerts
Crème + échantillon gratuit
Échantillonneur audio
Coffret échantillons parfum
Livraison de la mer, roman
Caja regalo
Sobre para tarjeta regalo
Tarjetero
Caja de muestras de té
Crema con muestra gratis
Muestrario de colores
Envío especial (libro)
Busta per buono regalo
Confezione regalo
Campionatore
Campioncini profumo set
Cadeaukaart envelop
Cadeaubon doosje
Proefjespakket bier
Thee proefjes set
Verzendtube
Hediye kartonu
Hediye kutusu
Hediye kart kutusu
Hediye çekmece
Kargo poşeti
Test kalemi
Pudełko na kartę podarunkową
Próbka perfum 2 ml
Próbki lakieru zestaw
Krem z darmową próbką
Porto de honra
Caixa para cartão presente
Amostra perfume 2ml
Kit de amostras
Amostrador
Frete Museu caneca
Krabička na dárkový poukaz
Vzorky čajů sada
Vzorek látky
Пробники духов набор
Пробник духов 2 мл
Коробка для подарочной карты
Открытка подарочная
Доставка цветов: роман
サンプル瓶 10ml
ギフトボックス
旅行试用装套盒
礼品盒
기프트박스
קופסת מתנה
علبة هدية
""".strip().splitlines()

LINES = {
    "shipping": """
postage
DOTCOM POSTAGE
Shipping
Free shipping
Express shipping
Standard delivery
Shipping - DHL Express
Shipping (UPS Ground)
Shipping costs
Delivery charge
Carriage charges
Shipping protection
Package protection
Versand
Versandkosten
Versandkosten DE
Versandkosten Ausland
Versand (bis 5 kg)
Shipping £3.95
Postage UK
Free delivery
Lieferkosten
Portokosten
Frais de port Colissimo
Frais de livraison
Livraison
Gastos de envío
Spese di spedizione
Verzendkosten
Poštovné
Doprava
Dostawa
Koszty wysyłki
Kargo ücreti
Szállítási díj
Taxă de livrare
Frakt
Fraktkosten
Доставка
Стоимость доставки
Μεταφορικά
送料
运费
배송비
""".strip().splitlines(),
    "gift_cards": """
Gift Card
Gift Card - $25.00
Gift Card 100
Gift Card $10.00 USD
Gift card (CHF 50)
Gift card US$25
Gutschein 50 €
Presentkort 1 000,-
Gift cards (EUR)
Digital gift card
E-gift card
E-Gift
Dotcomgiftshop Gift Voucher £20.00
$50 gift card
Acme Digital Gift Card
Geschenkgutschein 50 €
Geschenkgutschein
Gutschein: 25 Euro
Carte cadeau 50€
Chèque cadeau
Tarjeta regalo - 30 €
Buono regalo 25 €
Cadeaubon
Cartão-presente
Karta podarunkowa 100 zł
Dárkový poukaz 500 Kč
Ajándékkártya 5000 Ft
Presentkort 500 kr
Hediye çeki
Hediye kartı 100 TL
Подарочная карта
Подарочный сертификат 1000 ₽
Δωροκάρτα
ギフトカード
礼品卡 100
기프트카드
כרטיס מתנה
بطاقة هدية
""".strip().splitlines(),
    "samples": """
SAMPLES
Fabric swatches
Sample
Free sample
Free sample of tea
Free gift
Free gift: pouch
Gift with purchase: pouch
Pouch (GWP)
Gratisprobe
Gratisproben Creme
Warenprobe Tee
Pröbchen
échantillon gratuit
Amostra grátis
Muestra gratis crema
Campione omaggio
gratis proefje
darmowa próbka kremu
Vzorek zdarma
Gratisprov
Vareprøve
Бесплатный пробник
無料サンプル
免费试用装
""".strip().splitlines(),
    "tests": """
TEST
Test product
Test product 2
Test item - ignore
Testartikel
Testprodukt
Produit test
Producto de prueba
Prodotto di prova
Produkt testowy
Testovací produkt
Тестовый товар
テスト商品
测试商品
Do not buy
TEST - do not order
""".strip().splitlines(),
    "fees": """
Bank Charges
AMAZON FEE
Adjust bad debt
Payment fee
Service fee
Handling fee 2%
Nachnahmegebühr
Pfand
Pfand 0,25 €
MwSt. 19 %
Surcharge
MwSt.
手数料
""".strip().splitlines(),
}
DOUBTFUL = """
Delivery
Porto
Kargo
Proben
Free gift wrap
Stoffmuster Samt
Duftprobe 2 ml
Fabric swatch oak
Acme gift card
Gutschein für Massage
Tip
Deposit
Discount
Pochette, gift with purchase
Swatch
Swatch - Skin Irony 42
Swatch (SO29B703) Originals
Sample - Ukulele
Sample (Album) 7inch
Sample: Oak
Colour sample - RAL 9010
Fabric swatch - Linen
Fabric swatches: linen
Postage 2 Rubber Ink
Fragt - Novel
Wysyłka - gra
Livraison 24h
Express Freight
Home Delivery
Shipping costs and trade
Gift cards 20 pieces gold foil
Gift Card 3D Puzzle
Gift Card £10 style card
Gift voucher - birthday card
Geschenkkarten - Blumen 10er
Gift 5 gift cards
Test product (pH)
Trinkgeld Sparschwein
Pfand Becher Edelstahl
Sales Tax Law in Texas
Surcharge (LP)
Service Charge (DVD)
""".strip().splitlines()
"""Titles that may be either."""
