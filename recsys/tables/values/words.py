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
    "instock instockshipsnow available availablenow availablefororder limitedavailability limitedstock lowstock "
    "lastitems fewleft onlineonly madetoorder active live published publish public enabled visible onsale forsale "
    "sellable purchasable continue allow allowed notify verfügbar verfuegbar lieferbar sofortlieferbar auflager "
    "anlager vorrätig vorraetig aktiv disponible enstock disponibile disponível disponivel emestoque existencias "
    "enexistencia hayexistencias hayenexistencia conexistencias skladem naskladě nasklade skladom naskladu dostępny "
    "dostępna dostępne dostepny wmagazynie namagazynie nastanie dostupné dostupno opvoorraad leverbaar pålager ilager "
    "raktáron készleten stokta stoktavar mevcut var вналичии естьвналичии есть внаявності єнаявності єунаявності "
    "наличен наличност вналичност διαθέσιμο διαθέσιμος σεαπόθεμα înstoc instoc instocfurnizor disponibil varastossa "
    "saatavilla laos olemas yra noliktavā متوفر متاح متوفرفيالمخزون במלאי موجود 在庫あり 在庫有り 販売中 有货 有貨 "
    "现货 現貨 在售 재고있음 판매중 มีสินค้า มีสินค้าพร้อมส่ง พร้อมส่ง cònhàng tersedia adastok stoktersedia lagernd "
    "inmagazzino veröffentlicht nurnochwenige sofortverfügbar sichtbar publié actif activé disponibleimmédiatement "
    "stocklimité derniersarticles publicado activo habilitado últimasunidades pubblicato attivo visibile "
    "disponibilitàimmediata ultimipezzi abilitato beschikbaar gepubliceerd actief zichtbaar directleverbaar "
    "ingeschakeld invoorraad opublikowany aktywny widoczny włączony ativo emstock visível ativado finnsilager "
    "tillgänglig publicerad synlig aktiverad fåkvar lagervara yayında aktif etkin satışta yayınlandı görünür 公開 "
    "公開中 有効 表示 在庫有 入荷済み 残りわずか 受注生産 publiceret tilgængelig shopandsearchresults lowinstock "
    "runninglow listed approved buyable released onstock online"
)
_NOT_FOR_SALE = (
    "outofstock temporarilyoutofstock soldout temporarilysoldout unavailable temporarilyunavailable "
    "currentlyunavailable notavailable notforsale notinstock notsellable discontinued draft archived hidden inactive "
    "disabled deleted trash private pending unpublished unlisted retired obsolete suspended blocked instoreonly "
    "reserved preorder presale backorder backordered onbackorder availableonbackorder comingsoon backinstocksoon "
    "backsoon waitlist endoflife eol deny denied none nostock zerostock empty nichtverfügbar nichtverfuegbar "
    "derzeitnichtverfügbar nichtlieferbar nichtauflager nichtvorrätig ausverkauft vergriffen inaktiv entwurf "
    "archiviert vorbestellbar indisponible épuisé epuise rupture rupturedestock enrupture enrupturedestock horsstock "
    "surcommande précommande brouillon archivé agotado agotada sinstock sinexistencias nodisponible nohayexistencias "
    "fueradestock borrador esaurito esaurita nondisponibile nondisponibili fuoristock bozza esgotado esgotada "
    "semestoque foradeestoque indisponível indisponivel rascunho vyprodáno vypredané nenískladem nieskladom "
    "nieskladem niejeskladom nedostupné nedostupno rasprodano niedostępny niedostępna niedostępne niedostepny "
    "wyprzedany wyprzedane brak brakwmagazynie nawyczerpaniu uitverkocht nietopvoorraad nietleverbaar concept udsolgt "
    "utsolgt ikkepålager intepålager slutsåld slutsålt slutilager slut inteilager elfogyott nincs nincsraktáron "
    "nincskészleten tükendi stoktayok stoktadeğil mevcutdeğil yok taslak нетвналичии распродано отсутствует подзаказ "
    "предзаказ немаєвнаявності відсутній изчерпан изчерпано няманалиност εξαντλημένο εξαντλήθηκε μηδιαθέσιμο "
    "nuesteînstoc nuesteinstoc stocepuizat epuizat indisponibil loppu loppunut eivarastossa eisaatavilla otsas nėra "
    "nav غيرمتوفر غيرمتاح نفذ نفد نفدتالكمية אזל אזלמהמלאי לאבמלאי ناموجود 在庫なし 在庫無し 品切れ 売り切れ 売切れ "
    "完売 販売終了 无货 無貨 缺货 缺貨 售罄 已售罄 下架 재고없음 품절 일시품절 판매중지 단종 สินค้าหมด หมด hếthàng "
    "tạmhếthàng habis stokhabis kosong tidaktersedia ausstehend versteckt unsichtbar privat deaktiviert gelöscht "
    "auslaufartikel nichtmehrlieferbar gesperrt inactif désactivé nondisponible masqué privé enréapprovisionnement "
    "arrêté corbeille invisible nonpublié plusdisponible bientôtdisponible archivado inactivo oculto privado "
    "descatalogado reserva bajopedido deshabilitado próximamente pendiente papelera nopublicado sininventario "
    "archiviato inattivo nascosto privato fuoriproduzione preordine disabilitato suordinazione inarrivo terminato "
    "nonattivo cestino nonpubblicato prossimamente nietbeschikbaar gearchiveerd inactief verborgen vooruitbestellen "
    "uitassortiment uitgeschakeld binnenkort tijdelijkuitverkocht opbestelling prullenbak nabestelling szkic "
    "zarchiwizowany nieaktywny ukryty prywatny przedsprzedaż wycofany nazamówienie chwilowoniedostępny wyłączony "
    "oczekujący wkrótce nieopublikowany wyczerpany arquivado inativo prévenda descontinuado sobencomenda desativado "
    "embreve lixeira nãodisponível semstock nãopublicado ejilager ejtillgänglig utkast arkiverad dold förbeställning "
    "utgått utgången inaktiverad restnoterad kommersnart tillfälligtslut beställningsvara intetillgänglig "
    "avpublicerad arşivlendi pasif gizli önsipariş yakında satıştadeğil yayındadeğil devredışı teminedilemiyor "
    "silindi özel stokdışı arşiv etkindeğil 非公開 下書き アーカイブ 無効 非表示 予約受付中 入荷待ち 取り寄せ 廃盤 "
    "販売停止 在庫切れ 予約商品 近日発売 生産終了 廃番 再入荷待ち kladde arkiveret skjult udgået forudbestilling "
    "restordre ikketilgængelig outofprint notvisibleindividually delisted withdrawn banned expired removed ended "
    "paused ausgelistet notpublished nolongeravailable onhold scheduled closed suppressed incomplete rejected "
    "disapproved pendingreview oos notlive stockout offline"
)
_AGREED = (
    "subscribed optin optedin doubleoptin singleoptin granted confirmed accepted agreed allowed allow active enabled "
    "consented given explicit consent abonniert angemeldet zugestimmt bestätigt eingewilligt erteilt abonné abonnée "
    "inscrit inscrite suscrito suscrita iscritto iscritta inscrito inscrita zapisany zapisana zgoda souhlas aangemeld "
    "ingeschreven tilmeldt påmeldt prenumererar подписан подписана согласен согласна 購読 購読中 已订阅 구독 "
    "einwilligungerteilt accepté aceptado acepta accettato acconsente geabonneerd akkoord subskrybowany wyrażona "
    "zgodawyrażona aceito aceite assinante prenumerant godkänd samtycke abone onaylı izinli onaylandı izinverildi "
    "aboneoldu 同意 同意済み 許可 受け取る 希望する 受信する confirmedoptin"
)
_REFUSED = (
    "unsubscribed notsubscribed neversubscribed nonsubscribed globalunsubscribe optout optedout notoptedin denied "
    "declined rejected refused revoked withdrawn pending unconfirmed cleaned bounced hardbounce softbounce bounce "
    "suppressed inactive disabled blocked blacklisted invalid redacted transactional notgiven noconsent donotcontact "
    "donotemail complained spam spamcomplaint implied softoptin abgemeldet widerrufen abgelehnt nichterteilt "
    "nichtabonniert désabonné désabonnée desinscrit désinscrit désinscrite noninscrit nosuscrito nosuscrita "
    "dadodebaja baja cancelado cancelada disiscritto disiscritta noniscritto nãoinscrito descadastrado wypisany "
    "wypisana brakzgody nesouhlas odhlášen odhlášena afgemeld uitgeschreven afmeldt frameldt avmeldt avregistrerad "
    "отписан отписана отказ несогласен 配信停止 解除 已退订 수신거부 none gesperrt unbestätigt verweigert ausstehend "
    "refusé nonabonné retiré enattente rechazado pendiente denegado noacepta rifiutato revocato negato inattesa "
    "geweigerd nietingeschreven ingetrokken inafwachting odmowa wycofana niezapisany oczekujący recusado revogado "
    "pendente avprenumererad nekad avanmäld ejsamtycke väntande abonedeğil aboneliktençıktı reddedildi izinsiz "
    "onaysız iptal izinyok beklemede 未購読 拒否 同意しない 不同意 受け取らない 希望しない 退会 未同意 停止"
)
_STANDS = (
    "aberto aberta abierto abierta aperto aperta archivado arquivado archiviato archived archivé archivée archiviert "
    "paid partiallypaid paidpartially authorized authorised captured charged completed complete processing processed "
    "inprogress awaitingfulfillment awaitingfulfilment awaitingshipment awaitingpickup awaitingprocessing handling "
    "readyforhandling paymentaccepted paymentapproved paymentreceived remotepaymentaccepted created placed shipped "
    "unshipped partiallyshipped intransit outfordelivery delivered readyforpickup pickedup fulfilled "
    "partiallyfulfilled notfulfilled partial partiallyrefunded refundedpartially partialrefund partiallyreturned "
    "partiallycancelled partiallycanceled invoiced closed done success succeeded successful approved accepted "
    "partlypaid partlyshipped shippedpartially partlyfulfilled fulfilledpartially partlyrefunded partlyreturned "
    "returnedpartially partlydelivered partiallydelivered deliveredpartially partlycancelled partlycanceled "
    "confirmed open new received sent ready packed dispatched unfulfilled onbackorderpaid bezahlt zahlungeingegangen "
    "inbearbeitung abgeschlossen vollständigabgeschlossen erledigt versendet versandt geliefert zugestellt "
    "teilweiseerstattet teilerstattet teilweisegeliefert payé payée paiementaccepté encoursdepréparation "
    "encoursdetraitement enpréparation expédié expédiée livré livrée terminé terminée termine pagado pagada "
    "procesando enproceso completado completada enviado enviada entregado entregada pagato pagata inlavorazione "
    "completato spedito spedita consegnato consegnata pago aprovado pagamentoaprovado processando concluído concluido "
    "entregue betaald inbehandeling verzonden afgerond geleverd voltooid opłacone opłacony wysłane wysłany "
    "zrealizowane wrealizacji zrealizowany dostarczone zakończone zaplaceno zaplacené odesláno odoslané dokončeno "
    "doručeno vyřízeno betalt sendt afsluttet levert levereret skickad slutförd levererad toimitettu maksettu valmis "
    "teljesítve kifizetve kiszállítva livrat plătit finalizat tamamlandı ödendi teslimedildi kargoyaverildi "
    "hazırlanıyor оплачен оплачено отправлен доставлен выполнен вручен завершен завершён виконано доставлено 已付款 "
    "已完成 已发货 支払済み 発送済み 完了 결제완료 배송완료 fertiggestellt fertig bezahltperrechnung "
    "zahlungakzeptiert zahlungerhalten zahlungbestätigt kommissioniert inzustellung zugestelltanempfänger "
    "bestellunginbearbeitung versand zustellung erfolgt abgeholt abholbereit bereitzurabholung teilweisebezahlt "
    "teilweiseversendet teilversendet encours payéeparcarte expédiéepartiellement partiellementremboursé "
    "partiellementremboursée partiellementexpédié partiellementlivré préparée préparationencours commandeexpédiée "
    "commandelivrée validée validé acceptée accepté facturé facturée paiementàdistanceaccepté prête pagoaceptado "
    "pagorecibido preparaciónencurso enpreparación enreparto encamino finalizado finalizada parcialmentereembolsado "
    "parcialmenteenviado confirmado confirmada aceptado aceptada autorizado pagamentoaccettato pagamentoricevuto "
    "pagamentoremotoaccettato preparazioneincorso inpreparazione inconsegna confermato confermata evaso evasa "
    "completata spediti parzialmenterimborsato parzialmentespedito fatturato bezorgd inverwerking verwerken verwerkt "
    "betalinggeaccepteerd betalingontvangen verstuurd onderweg klaar klaarvoorafhalen opgehaald compleet "
    "bestellinginbehandeling voorbereidingbezig gedeeltelijkterugbetaald gedeeltelijkverzonden goedgekeurd "
    "gefactureerd betald betalningmottagen betalningaccepterad behandlas bearbetas underbehandling färdigbehandlad "
    "färdig avslutad godkänd delvisskickad delvisåterbetald packad utskickad fakturerad klar betaltfaktura behandles "
    "gennemført færdig fullført ferdig leveret godkendt delvisrefunderet wtrakcierealizacji wrealizacjí "
    "płatnośćzaakceptowana płatnośćprzyjęta zapłacono opłacona wysłano wysłana doręczone doręczona dostarczono "
    "zrealizowano zrealizowana gotowe gotowedoodbioru spakowane zaksięgowano częściowozwrócone częściowowysłane "
    "przygotowaniewtoku potwierdzone emprocessamento pagamentoaceite pagamentoaceito pagamentoconfirmado "
    "pagamentoremotoaceite empreparação preparaçãoemcurso emseparação emtransporte emtrânsito concluída faturado "
    "faturada pagoparcialmente pedidoenviado pedidoentregue işleniyor ödemekabuledildi ödemealındı hazırlanmakta "
    "hazır onaylandı teslimedilmiş gönderildi kargoda kargolandı tamamlanmış kısmeniadeedildi faturalandı 処理中 "
    "注文受付 受付済み 入金済み 入金確認済み 支払い済み 支払済 支払い完了 決済完了 決済済み 出荷済み 出荷準備中 "
    "発送準備中 発送済 発送完了 配送中 配達完了 配達済み 準備中 一部返金済み 一部発送済み 確認済み 未発送 "
    "zpracovává zpracováváse vyřizujese připraveno expedováno zabaleno předáno platbapřijata přijato "
    "elküldve feldolgozásalatt kézbesítve käsittelyssä lähetetty valmistunut оплатапринята вобработке обрабатывается "
    "собран собирается передан получен отгружен комплектуется 待发货 已签收 交易完成 배송중 상품준비중 배송준비중 "
    "입금완료 결제확인 구매확정 suspectedfraudcleared approvedpayment packing picking picked assembled preparing "
    "preparation preparationinprogress processinginprogress productionpreparation paymentcaptured collected settled "
    "sold finished"
)
_VOID = (
    "cancelled canceled cancel cancelledbycustomer void voided refunded fullyrefunded refund returned returntosender "
    "failed failure error paymenterror declined denied rejected reversed pending pendingpayment paymentpending "
    "awaitingpayment waitingforpayment awaitingcheckpayment awaitingbankwirepayment unpaid notpaid onhold holded "
    "expired abandoned incomplete checkoutdraft draft trash quote test testorder chargeback chargedback disputed "
    "dispute fraud lost unavailable willnotdeliver requirespaymentmethod storniert bestellungstorniert abgebrochen "
    "erstattet zurückerstattet rückerstattet fehlgeschlagen zahlungsfehler ausstehend nichtbezahlt unbezahlt "
    "zahlungausstehend inwartestellung annulé annulée remboursé remboursée échoué échouée enattente "
    "enattentedepaiement erreurdepaiement nonpayé cancelado cancelada anulado anulada reembolsado reembolsada fallido "
    "fallida pendiente pendientedepago nopagado devuelto pagopendente pagamentopendente aguardandopagamento pendente "
    "devolvido annullato annullata rimborsato rimborsata inattesa fallito geannuleerd terugbetaald mislukt "
    "inafwachting anulowane anulowany zwrócone zwrot oczekujące nieopłacone nieudane zrušeno zrušené stornováno "
    "vráceno čekánaplatbu annulleret annullert refunderet kansellert makulerad avbruten återbetald peruttu hyvitetty "
    "törölve visszatérítve sikertelen anulat anulată rambursat iptal iptaledildi iadeedildi beklemede ödemebekleniyor "
    "отменен отменён отмена возврат возвращен неоплачен ожидаетоплаты скасовано повернено 已取消 已退款 待付款 "
    "キャンセル キャンセル済み 返金済み 취소 취소완료 환불 wartenaufzahlung wartetaufzahlung wartenaufzahlungseingang "
    "wartenaufzahlungseingangscheck wartenaufzahlungseingangbanküberweisung wartenaufüberweisung zahlungabgelehnt "
    "zahlungfehlgeschlagen fehlerbeiderbezahlung zahlungoffen unvollständig retoure retourniert zurückgegeben "
    "zurückgesendet zurückgezahlt gutgeschrieben widerrufen stornierung annulliert gelöscht entwurf kundestorniert "
    "teststatus testbestellung inwarteposition zurückgestellt angehalten attentepaiement enattentedupaiement "
    "enattentedupaiementparchèque enattentedupaiementparvirement enattentedevirementbancaire attentedepaiement "
    "paiementrefusé paiementéchoué paiementenattente refusée refusé impayée impayé abandonnée abandonné retournée "
    "retourné brouillon suspendue suspendu expirée expiré litige enespera pendientedelpago enesperadepago "
    "enesperadepagoporcheque enesperadepagoportransferenciabancaria pagopendiente pagorechazado pagofallido "
    "errorenpago errordepago rechazado rechazada borrador devuelta devolución abandonado abandonada expirado caducado "
    "fallada impagado anulación insospeso inattesadipagamento inattesadelpagamento inattesadipagamentoconassegno "
    "inattesadipagamentoconbonificobancario pagamentofallito pagamentorifiutato erroredipagamento rifiutato rifiutata "
    "nonpagato reso resa restituito bozza fallita scaduto scaduta abbandonato stornato inafwachtingvanbetaling "
    "wachtopbetaling wachtenopbetaling inafwachtingvanchequebetaling inafwachtingvanbankoverschrijving indewacht "
    "betalinginbehandeling betalingmislukt betalingsfout betalinggeweigerd geweigerd afgewezen nietbetaald onbetaald "
    "retour geretourneerd verlopen concept gecrediteerd onvoltooid väntarpåbetalning inväntarbetalning väntande "
    "väntar avvaktarbetalning pausad misslyckad misslyckades betalningmisslyckades nekad avvisad avbröts avbeställd "
    "annullerad returnerad retur obetald utkast krediterad utgången afventerbetaling afventer avventerbetaling "
    "avventer iventeposition påhold påvent fejlet mislykket ikkebetalt ubetalt avbrutt returneret returnert udkast "
    "kladd krediteret tilbagebetalt tilbakebetalt betalingfejlet oczekujenapłatność oczekującenapłatność "
    "oczekiwanienapłatność oczekujenawpłatę oczekiwanienawpłatę oczekujący wstrzymane wstrzymany nieopłacony "
    "nieopłacona nieudana odrzucone odrzucony odrzucona płatnośćodrzucona błądpłatności zwrócono zwrócona zwrócony "
    "anulowana anulowano szkic porzucone wygasłe oczekiwanienaprzelew oczekiwanienaprzelewbankowy aguardando "
    "aguardandopagamentoporboleto aguardandopagamentoporcheque aguardandotransferência "
    "aguardandotransferênciabancária emespera malsucedido falhado falhada falhou recusado recusada pagamentorecusado "
    "pagamentofalhou errodepagamento nãopago estornado estornada devolvida rascunho pedidocancelado ödemebekliyor "
    "beklemedeödeme başarısız ödemebaşarısız ödemehatası reddedildi iptaledilmiş iade iadeedilmiş iadesi ödenmedi "
    "taslak süresidoldu 支払い待ち 支払待ち 入金待ち 未入金 未払い 未決済 決済待ち 決済エラー 決済失敗 保留 保留中 "
    "失敗 キャンセル済 注文キャンセル 取消 取消済み 取り消し 返品 返品済み 返金 返金済 全額返金 下書き 期限切れ "
    "与信エラー čekáseplatba čekánazaplacení nezaplaceno selhalo odmítnuto odmaksamatta odottaa odottaamaksua "
    "maksamatta epäonnistui palautettu fizetésrevár függőben visszautasítva törölt ожидаетоплату ожидание "
    "новыйнеоплачен отклонен отклонён возвратденег ошибка ошибкаоплаты черновик 待支付 未付款 已关闭 交易关闭 退款中 "
    "已退货 입금대기 결제대기 환불완료 반품 반품완료 주문취소 미입금 awaitingcashondeliveryvalidation "
    "onbackordernotpaid awaitingbankwire awaitingcheque awaitingbanktransfer paymentfailed paymentdeclined "
    "paymentrejected paymentexpired paymentpendingreview suspectedfraud paymentreview pendingreview "
    "authorizationexpired authorizationvoided refundpending refundrequested returnrequested deleted removed"
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
    return bare.str.replace_all(r"[()'’\u0307]", "").str.replace_all(r"(\p{L})[\s_-]+", "${1}")


def _alike_all(words: Iterable[str]) -> list[str]:
    texts = pl.Series(list(words), dtype=pl.String)
    return pl.select(alike(pl.lit(texts))).to_series().to_list() if len(texts) else []
