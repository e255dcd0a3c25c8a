"""The words of platforms and languages for yes and no, for what is for sale, who may be written to, and how an order stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import polars as pl

Meaning = Literal["flag", "availability", "consent", "order"]

_YES = (
    "true t yes y 1 1.0 on ja oui si sí sim tak ano da evet vrai wahr verdadero vero verdadeiro prawda pravda igaz hai はい "
    "是 有 예 네 igen да так ναι نعم כן kyllä jah taip já ya có vâng ใช่ checked ✓ ✔"
)
_NO = (
    "false f no n 0 0.0 -1 off nein non não nao nie ne nej nei nee нет hayır hayir faux falsch falso fałsz nepravda hamis "
    "unwahr iie いいえ 否 不 无 無 아니오 아니요 nem ні не όχι لا לא ei nu tidak không ไม่ unchecked ✗ ✘ not never without"
)
_FOR_SALE = (
    "instock instockshipsnow available availablenow availablefororder limitedavailability limitedstock lowstock lastitems "
    "fewleft onlineonly madetoorder active live published publish public enabled visible onsale forsale sellable "
    "purchasable continue allow allowed notify verfügbar verfuegbar lieferbar sofortlieferbar auflager anlager vorrätig "
    "vorraetig aktiv disponible enstock disponibile disponível disponivel emestoque existencias enexistencia hayexistencias "
    "hayenexistencia conexistencias skladem naskladě nasklade skladom naskladu dostępny dostępna dostępne dostepny "
    "wmagazynie namagazynie nastanie dostupné dostupno opvoorraad leverbaar pålager ilager raktáron készleten stokta "
    "stoktavar mevcut var вналичии естьвналичии есть внаявності єнаявності єунаявності наличен наличност вналичност "
    "διαθέσιμο διαθέσιμος σεαπόθεμα înstoc instoc instocfurnizor disponibil varastossa saatavilla laos olemas yra noliktavā "
    "متوفر متاح متوفرفيالمخزون במלאי موجود 在庫あり 在庫有り 販売中 有货 有貨 现货 現貨 在售 재고있음 판매중 มีสินค้า "
    "มีสินค้าพร้อมส่ง พร้อมส่ง cònhàng tersedia adastok stoktersedia lagernd inmagazzino"
)
_NOT_FOR_SALE = (
    "outofstock temporarilyoutofstock soldout temporarilysoldout unavailable temporarilyunavailable currentlyunavailable "
    "notavailable notforsale notinstock notsellable discontinued draft archived hidden inactive disabled deleted trash "
    "private pending unpublished unlisted retired obsolete suspended blocked instoreonly reserved preorder presale "
    "backorder backordered onbackorder availableonbackorder comingsoon backinstocksoon backsoon waitlist endoflife eol deny "
    "denied none nostock zerostock empty nichtverfügbar nichtverfuegbar derzeitnichtverfügbar nichtlieferbar nichtauflager "
    "nichtvorrätig ausverkauft vergriffen inaktiv entwurf archiviert vorbestellbar indisponible épuisé epuise rupture "
    "rupturedestock enrupture enrupturedestock horsstock surcommande précommande brouillon archivé agotado agotada sinstock "
    "sinexistencias nodisponible nohayexistencias fueradestock borrador esaurito esaurita nondisponibile nondisponibili "
    "fuoristock bozza esgotado esgotada semestoque foradeestoque indisponível indisponivel rascunho vyprodáno vypredané "
    "nenískladem nieskladom nieskladem niejeskladom nedostupné nedostupno rasprodano niedostępny niedostępna niedostępne "
    "niedostepny wyprzedany wyprzedane brak brakwmagazynie nawyczerpaniu uitverkocht nietopvoorraad nietleverbaar concept "
    "udsolgt utsolgt ikkepålager intepålager slutsåld slutsålt slutilager slut inteilager elfogyott nincs nincsraktáron "
    "nincskészleten tükendi stoktayok stoktadeğil mevcutdeğil yok taslak нетвналичии распродано отсутствует подзаказ "
    "предзаказ немаєвнаявності відсутній изчерпан изчерпано няманалиност εξαντλημένο εξαντλήθηκε μηδιαθέσιμο nuesteînstoc "
    "nuesteinstoc stocepuizat epuizat indisponibil loppu loppunut eivarastossa eisaatavilla otsas nėra nav غيرمتوفر غيرمتاح "
    "نفذ نفد نفدتالكمية אזל אזלמהמלאי לאבמלאי ناموجود 在庫なし 在庫無し 品切れ 売り切れ 売切れ 完売 販売終了 无货 無貨 缺货 "
    "缺貨 售罄 已售罄 下架 재고없음 품절 일시품절 판매중지 단종 สินค้าหมด หมด hếthàng tạmhếthàng habis stokhabis kosong "
    "tidaktersedia"
)
_AGREED = (
    "subscribed optin optedin doubleoptin singleoptin granted confirmed accepted agreed allowed allow active enabled "
    "consented given explicit consent abonniert angemeldet zugestimmt bestätigt eingewilligt erteilt abonné abonnée inscrit "
    "inscrite suscrito suscrita iscritto iscritta inscrito inscrita zapisany zapisana zgoda souhlas aangemeld ingeschreven "
    "tilmeldt påmeldt prenumererar подписан подписана согласен согласна 購読 購読中 已订阅 구독"
)
_REFUSED = (
    "unsubscribed notsubscribed neversubscribed nonsubscribed globalunsubscribe optout optedout notoptedin denied declined "
    "rejected refused revoked withdrawn pending unconfirmed cleaned bounced hardbounce softbounce bounce suppressed "
    "inactive disabled blocked blacklisted invalid redacted transactional notgiven noconsent donotcontact donotemail "
    "complained spam spamcomplaint implied softoptin abgemeldet widerrufen abgelehnt nichterteilt nichtabonniert désabonné "
    "désabonnée desinscrit désinscrit désinscrite noninscrit nosuscrito nosuscrita dadodebaja baja cancelado cancelada "
    "disiscritto disiscritta noniscritto nãoinscrito descadastrado wypisany wypisana brakzgody nesouhlas odhlášen odhlášena "
    "afgemeld uitgeschreven afmeldt frameldt avmeldt avregistrerad отписан отписана отказ несогласен 配信停止 解除 已退订 "
    "수신거부 none"
)
_STANDS = (
    "paid partiallypaid paidpartially authorized authorised captured charged completed complete processing processed "
    "inprogress awaitingfulfillment awaitingfulfilment awaitingshipment awaitingpickup awaitingprocessing handling "
    "readyforhandling paymentaccepted paymentapproved paymentreceived remotepaymentaccepted created placed shipped "
    "unshipped partiallyshipped intransit outfordelivery delivered readyforpickup pickedup fulfilled partiallyfulfilled "
    "notfulfilled partial partiallyrefunded refundedpartially partialrefund partiallyreturned partiallycancelled "
    "partiallycanceled invoiced closed done success succeeded successful approved accepted confirmed open new received sent "
    "ready packed dispatched unfulfilled onbackorderpaid bezahlt zahlungeingegangen inbearbeitung abgeschlossen "
    "vollständigabgeschlossen erledigt versendet versandt geliefert zugestellt teilweiseerstattet teilerstattet "
    "teilweisegeliefert payé payée paiementaccepté encoursdepréparation encoursdetraitement enpréparation expédié expédiée "
    "livré livrée terminé terminée termine pagado pagada procesando enproceso completado completada enviado enviada "
    "entregado entregada pagato pagata inlavorazione completato spedito spedita consegnato consegnata pago aprovado "
    "pagamentoaprovado processando concluído concluido entregue betaald inbehandeling verzonden afgerond geleverd voltooid "
    "opłacone opłacony wysłane wysłany zrealizowane wrealizacji zrealizowany dostarczone zakończone zaplaceno zaplacené "
    "odesláno odoslané dokončeno doručeno vyřízeno betalt sendt afsluttet levert levereret skickad slutförd levererad "
    "toimitettu maksettu valmis teljesítve kifizetve kiszállítva livrat plătit finalizat tamamlandı ödendi teslimedildi "
    "kargoyaverildi hazırlanıyor оплачен оплачено отправлен доставлен выполнен вручен завершен завершён виконано доставлено "
    "已付款 已完成 已发货 支払済み 発送済み 完了 결제완료 배송완료"
)
_VOID = (
    "cancelled canceled cancel cancelledbycustomer void voided refunded fullyrefunded refund returned returntosender failed "
    "failure error paymenterror declined denied rejected reversed pending pendingpayment paymentpending awaitingpayment "
    "waitingforpayment awaitingcheckpayment awaitingbankwirepayment unpaid notpaid onhold holded expired abandoned "
    "incomplete checkoutdraft draft trash quote test testorder chargeback chargedback disputed dispute fraud lost "
    "unavailable willnotdeliver requirespaymentmethod storniert bestellungstorniert abgebrochen erstattet zurückerstattet "
    "rückerstattet fehlgeschlagen zahlungsfehler ausstehend nichtbezahlt unbezahlt zahlungausstehend inwartestellung annulé "
    "annulée remboursé remboursée échoué échouée enattente enattentedepaiement erreurdepaiement nonpayé cancelado cancelada "
    "anulado anulada reembolsado reembolsada fallido fallida pendiente pendientedepago nopagado devuelto pagopendente "
    "pagamentopendente aguardandopagamento pendente devolvido annullato annullata rimborsato rimborsata inattesa fallito "
    "geannuleerd terugbetaald mislukt inafwachting anulowane anulowany zwrócone zwrot oczekujące nieopłacone nieudane "
    "zrušeno zrušené stornováno vráceno čekánaplatbu annulleret annullert refunderet kansellert makulerad avbruten "
    "återbetald peruttu hyvitetty törölve visszatérítve sikertelen anulat anulată rambursat iptal i̇ptal iptaledildi "
    "i̇ptaledildi iadeedildi beklemede ödemebekleniyor отменен отменён отмена возврат возвращен неоплачен ожидаетоплаты "
    "скасовано повернено 已取消 已退款 待付款 キャンセル キャンセル済み 返金済み 취소 취소완료 환불"
)
_WORDS: Mapping[Meaning, tuple[str, str]] = {
    "flag": (_YES, _NO),
    "availability": (f"{_YES} {_FOR_SALE}", f"{_NO} {_NOT_FOR_SALE}"),
    "consent": (f"{_YES} {_AGREED}", f"{_NO} {_REFUSED}"),
    "order": (_STANDS, _VOID),
}


def read_words(text: pl.Expr, meaning: Meaning, yes: Iterable[str] = (), no: Iterable[str] = ()) -> pl.Expr:
    """True or false by the words of a meaning, with a table's own `yes` and `no` before them; null where the word is neither."""
    affirming, denying = _WORDS[meaning]
    known = dict.fromkeys(affirming.split(), True) | dict.fromkeys(denying.split(), False)
    known |= dict.fromkeys(_alike_all(yes), True) | dict.fromkeys(_alike_all(no), False)
    return alike(text).replace_strict(list(known), list(known.values()), default=None, return_dtype=pl.Boolean())


def alike(text: pl.Expr) -> pl.Expr:
    """Words without what tells their spellings apart: letter case, blanks, `_` and `-` after a letter, a sign at the end, schema.org's
    address and WooCommerce's `wc-`."""
    bare = text.cast(pl.String).str.strip_chars().str.to_lowercase()
    bare = bare.str.replace(r"^(?:(?:https?://)?(?:www\.)?schema\.org/|schema:|wc-)", "").str.replace(
        r"(\p{L})\s*[.!]+$", "${1}"
    )
    return bare.str.replace_all(r"(\p{L})[\s_-]+", "${1}")


def _alike_all(words: Iterable[str]) -> list[str]:
    texts = pl.Series(list(words), dtype=pl.String)
    return pl.select(alike(pl.lit(texts))).to_series().to_list() if len(texts) else []
